"""What training and evaluation leave in OUTPUT_DIR, read for the report."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config.node import leaves
from maskrcnn_benchmark.config.yaml_text import read_yaml
from maskrcnn_benchmark.evaluation.files import EVALUATION_FILE, SCORES_FILE, read_scores
from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.untrusted import is_whole, parse_json
from maskrcnn_benchmark.visualization.report.metrics_file import is_figure, read_facts, read_metrics

logger = get_logger(__name__)


@dataclass(frozen=True)
class RunFiles:
    """
    The files of one OUTPUT_DIR.

    Attributes:
        folder: OUTPUT_DIR.
        config: config.yml's values by full key; empty where there is none.
        training: the lines of metrics.jsonl.
        validation: the lines of validation.jsonl.
        evaluations: metrics.json by data set.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    training: list[dict[str, Any]] = field(default_factory=list)
    validation: list[dict[str, Any]] = field(default_factory=list)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> "RunFiles":
        """UserError: no such folder, nothing in it that a report could show, or a file that is damaged."""
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f"report of {folder}: no such folder; give the OUTPUT_DIR of a training or evaluation")
        evaluations = {path.parent.name: read_metrics(path) for path in sorted(folder.glob("inference/*/metrics.json"))}
        if not evaluations and (folder / "metrics.json").exists():
            evaluations = {"test": read_metrics(folder / "metrics.json")}
        run = cls(
            folder,
            dict(leaves(read_yaml(folder / "config.yml"))) if (folder / "config.yml").exists() else {},
            _lines(folder / "metrics.jsonl"),
            _lines(folder / "validation.jsonl"),
            evaluations,
        )
        if not (run.training or run.evaluations):
            raise UserError(
                f"report of {folder}: neither metrics.jsonl nor inference/*/metrics.json is there; "
                "train or evaluate with this OUTPUT_DIR first"
            )
        return run

    def scores(self, dataset: str) -> SceneGraphEvaluator | None:
        """The counts behind an evaluation; None where it left none. UserError if they are another's."""
        path = self._beside(dataset, SCORES_FILE)
        if not path.exists():
            return None
        scores, metrics = read_scores(path), self.evaluations[dataset]
        counted = {"mode": scores.mode, "images": len(scores.image_ids)}
        differ = [
            f"{key} {value}, {metrics[key]} in metrics.json"
            for key, value in counted.items()
            if metrics.get(key, value) != value
        ]
        if differ:
            raise UserError(f"{path}: is of another evaluation ({'; '.join(differ)}); evaluate again")
        return scores

    def evaluation_facts(self, dataset: str) -> dict[str, Any]:
        """What an evaluation noted of itself: "date", "weights", "seconds", "terms"; empty where it noted nothing."""
        path = self._beside(dataset, EVALUATION_FILE)
        return read_facts(path) if path.exists() else {}

    def date(self, dataset: str) -> str:
        """When an evaluation's metrics.json was written."""
        path = self._beside(dataset, "metrics.json")
        path = path if path.exists() else self.folder / path.name
        return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat(timespec="seconds")

    def _beside(self, dataset: str, name: str) -> Path:
        return self.folder / "inference" / dataset / name

    def training_seconds(self) -> float:
        """Time of all iterations: each line has the mean of those since the line before."""
        lines = [line for line in self.training if isinstance(line.get("seconds"), int | float)]
        befores = [0, *(line["iteration"] for line in lines)]
        return sum(line["seconds"] * (line["iteration"] - before) for line, before in zip(lines, befores, strict=False))


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a .jsonl file by iteration; one that a kill left half written is left out, with a warning."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = parse_json(text, dict, "a line")
            if not is_whole(line.get("iteration")) or not all(map(is_figure, line.values())):
                raise UserError("not figures of an iteration")
            lines.append(line | {"iteration": int(line["iteration"])})
        except UserError:
            logger.warning(f"{path}: left out a line that is no figures of an iteration: {text[:60]!r}")
    return sorted(lines, key=lambda line: line["iteration"])
