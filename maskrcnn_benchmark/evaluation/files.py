"""What an evaluation leaves in OUTPUT_DIR/inference/<data set>/ beside metrics.json and predictions."""

from pathlib import Path

from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import read_file

# The counts behind metrics.json, SceneGraphEvaluator.state_dict(): intervals, and a bootstrap against another run.
SCORES_FILE = "scores.pth"
# What was evaluated: "date", "weights" (the file), "seconds", "terms" (names), "predictions" (kept beside it).
EVALUATION_FILE = "evaluation.json"


def read_scores(path: Path) -> SceneGraphEvaluator:
    """The evaluator whose state a SCORES_FILE holds. UserError if it is damaged, or holds something else."""
    content = read_file(path)
    try:
        return SceneGraphEvaluator.from_state(content)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: expected the counts of an evaluation ({error!r}); evaluate again") from error
