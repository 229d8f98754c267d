"""Config files for a data set: the demo's model with its names, numbers of classes and a schedule of its size."""

from pathlib import Path

from maskrcnn_benchmark import data
from maskrcnn_benchmark.data.build import read_source
from maskrcnn_benchmark.data.datasets import AnnotationSource, split_rows
from maskrcnn_benchmark.data.datasets.catalog import find_entries
from maskrcnn_benchmark.data.datasets.format import DatasetEntry
from maskrcnn_benchmark.data.names import sided
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.files import write_json, write_text
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.untrusted import read_json

logger = get_logger(__name__)

_BATCH = 8  # SOLVER.IMS_PER_BATCH of configs/demo
# File -> passes over the training images, and iterations at least and at most.
_SCHEDULES = {"detector": (20, 200, 60000), "predcls": (20, 200, 60000), "spln": (30, 300, 60000)}
_DESCRIPTIONS = "descriptions.json"


def write_configs(target: str, root: Path = Path("configs")) -> Path:
    """
    Writes `root/<name>/`: data.yaml (names, classes), detector.yaml, predcls.yaml, spln.yaml and descriptions.json.

    The models are those of `root/demo`, which train on a CPU. descriptions.json has the package's sentences on each
    predicate that it knows, and plain ones on the others, which the log names.

    Args:
        target: a data set's name or folder.
    Returns:
        The folder.
    Raises:
        UserError: no such data set, one without training images, no `root/demo`, or files that are there with other
            content.
    """
    entries = find_entries(target)
    if "train" not in entries:
        raise UserError(f"{target}: name the data set, without _val or _test")
    name = entries["train"].name.removesuffix("_train")
    source, images = _look(entries)
    if not (root / "demo/base.yaml").is_file():
        raise UserError(f"{root / 'demo'}: the files to start from are not there; run this in the repository's folder")
    folder = root / name
    files = {f"{kind}.yaml": text for kind, text in _texts(name, source, images).items()}
    there = [file for file in files if (folder / file).exists()]
    differing = [file for file in there if (folder / file).read_text("utf-8") != files[file]]
    if differing:
        raise UserError(
            f"{folder}: {some(differing)} are there already and hold other things; remove the folder, or keep them"
        )
    for file, text in files.items():
        write_text(folder / file, text)
    if not (folder / _DESCRIPTIONS).exists():  # else they may be one's own by now
        _write_descriptions(folder / _DESCRIPTIONS, source.predicates)
    return folder


def _look(entries: dict[str, DatasetEntry]) -> tuple[AnnotationSource, dict[str, int]]:
    """The annotations of training, and how many images of each split have a relation."""
    sources: dict[Path, AnnotationSource] = {}
    images = dict.fromkeys(entries, 0)
    for split, entry in entries.items():
        file = entry.files["annotations"]
        if file not in sources and (split == "train" or file.exists()):
            sources[file] = read_source(entry, statistics_only=True)
        if file in sources:
            rules = {"num_val": entry.num_val, "with_relations": True, "may_be_empty": True}
            images[split] = len(split_rows(sources[file], split, **rules))
    file = entries["train"].files["annotations"]
    if not images["train"]:
        raise UserError(f"{file}: no image of the training split has a relation")
    return sources[file], images


def _texts(name: str, source: AnnotationSource, images: dict[str, int]) -> dict[str, str]:
    """The yaml files' texts by name."""
    output = f"./output/{name}"
    sets = {split: f'("{name}_{split}",)' if images[split] else "()" for split in images}
    wrong = sided(source.predicates)
    mirror = f"0.0  # {', '.join(wrong)}: not the same in a mirror" if wrong else "0.5"
    counts = ", ".join(f"{count} {split}" for split, count in images.items())
    detector = f"{output}/detector/model_final.pth"
    return {
        "data": f"""\
# The data set {name}: {counts} images with a relation. Not trained by itself.
DATASETS:
  TRAIN: {sets["train"]}
  VAL: {sets["val"]}
  TEST: {sets["test"]}
INPUT:
  HORIZONTAL_FLIP_PROB_TRAIN: {mirror}
MODEL:
  ROI_BOX_HEAD:
    NUM_CLASSES: {len(source.objects)}  # the background counted
  ROI_RELATION_HEAD:
    NUM_CLASSES: {len(source.predicates)}  # the background counted
SOLVER:
  TO_VAL: {bool(images["val"])}
""",
        "detector": f"""\
# python tools/detector_pretrain_net.py --config-file configs/{name}/detector.yaml
_BASE_: [../demo/detector.yaml, data.yaml]
{_solver("detector", images["train"])}OUTPUT_DIR: {output}/detector
""",
        "predcls": f"""\
# python tools/relation_train_net.py --config-file configs/{name}/predcls.yaml
_BASE_: [../demo/predcls.yaml, data.yaml]
MODEL:
  PRETRAINED_DETECTOR_CKPT: {detector}
  FREEZE_DETECTOR: True
{_solver("predcls", images["train"])}OUTPUT_DIR: {output}/predcls
""",
        "spln": f"""\
# Goes on from predcls.yaml's model, with the prototypes of tools/extract_visual_prototypes.py and
# tools/extract_conceptual_prototypes.py.
# python tools/relation_train_net.py --config-file configs/{name}/spln.yaml
_BASE_: [../demo/spln.yaml, data.yaml]
MODEL:
  PRETRAINED_DETECTOR_CKPT: {detector}
  WEIGHT: {output}/predcls/model_final.pth
  REWEIGHT_CURRICULUM: {_iterations("spln", images["train"]) // 2}
  ROI_RELATION_HEAD:
    VIS_PRO_PATH: {output}/visual_prototypes.pt
    CON_PRO_LLAMA_PATH: {output}/conceptual_prototypes.pt
DATALOADER:
  FEATURE_CACHE: {output}/features
{_solver("spln", images["train"])}OUTPUT_DIR: {output}/spln
""",
    }


def _iterations(kind: str, images: int) -> int:
    passes, least, most = _SCHEDULES[kind]
    return min(max(passes * images // _BATCH, least), most)


def _solver(kind: str, images: int) -> str:
    """The schedule: the rate falls to a tenth at two thirds and to a hundredth at nine tenths, as the demo's does."""
    n = _iterations(kind, images)
    return f"""\
SOLVER:
  MAX_ITER: {n}
  STEPS: ({n * 2 // 3}, {n * 9 // 10})
  WARMUP_ITERS: {n // 5}
  CHECKPOINT_PERIOD: {n}
  VAL_PERIOD: {n}
"""


def _write_descriptions(file: Path, predicates: tuple[str, ...]) -> None:
    known: dict[str, list[str]] = {}
    for shipped in sorted(Path(data.__file__).with_name("descriptions").glob("*.json")):
        known = read_json(shipped, dict) | known
    unknown = [predicate for predicate in predicates if predicate not in known]
    for predicate in unknown:
        known[predicate] = [
            f"One thing is seen {predicate} another.",
            f"What joins the two is best told by the words {predicate}.",
            f"In the picture, {predicate} says how the first stands to the second.",
        ]
    write_json(file, {predicate: known[predicate] for predicate in predicates})
    if unknown:
        logger.warning(
            "%s: the package has no sentences on %d of %d predicates, %s; plain ones stand there, better ones of your"
            " own help",
            file, len(unknown), len(predicates) - 1, some(unknown),
        )  # fmt: skip
