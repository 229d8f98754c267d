"""
Made-up files for the published commands: a folder as Visual Genome's with VG150's numbers of classes, a detector,
prototypes.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from maskrcnn_benchmark.data.datasets.vg_layout import DICTS, IMAGE_DIR, write_vg_layout
from maskrcnn_benchmark.utils.files import write_json, write_text

OBJECTS = [f"thing{i}" for i in range(1, 151)]
PREDICATES = [f"relates{i}" for i in range(1, 51)]
BOXES, RELATIONS = 8, 10  # an image
WIDTH, HEIGHT = 500, 375
WORDS = 300

DETECTOR = Path("checkpoints/pretrained_faster_rcnn/model_final.pth")
PROTOTYPES = Path("output/relation_baseline")
VISUAL = PROTOTYPES / "vg_vis_protos.pt"
CONCEPTUAL = {"LLAMA": PROTOTYPES / "vg_llama_con_protos.pt", "CLIP": PROTOTYPES / "vg_clip_refine_con_protos.pt"}
WIDTHS = {"LLAMA": 4096, "CLIP": 2304}


def write_vg150(folder: Path, images: dict[str, int], seed: int = 0) -> None:
    """
    Writes a folder as Visual Genome's: noise images, annotations, a dictionary whose `predicate_count` is a long tail
    of its own, as VG's counts more than the training images, and word vectors.

    Args:
        images: how many a split.
    """
    draw = np.random.default_rng(seed)
    records = [_image(draw, split) for split, number in images.items() for _ in range(number)]
    write_vg_layout(folder, records, OBJECTS, PREDICATES)
    (folder / IMAGE_DIR).mkdir(parents=True)
    for i in range(1, len(records) + 1):
        Image.fromarray(draw.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(folder / IMAGE_DIR / f"{i}.jpg")
    tables = json.loads((folder / DICTS).read_text())
    counts = (700_000 / np.arange(1, len(PREDICATES) + 1) ** 2).astype(int).tolist()
    write_json(folder / DICTS, tables | {"predicate_count": dict(zip(PREDICATES, counts, strict=True))})
    vectors = {name: " ".join(f"{x:.4f}" for x in draw.normal(0, 0.4, WORDS)) for name in OBJECTS + PREDICATES}
    write_text(folder / f"glove.6B.{WORDS}d.txt", "".join(f"{name} {vector}\n" for name, vector in vectors.items()))


def _image(draw: np.random.Generator, split: str) -> dict:
    corners = draw.random((BOXES, 2)) * [0.6 * WIDTH, 0.6 * HEIGHT]
    boxes = np.concatenate([corners, corners + 40 + draw.random((BOXES, 2)) * [0.25 * WIDTH, 0.25 * HEIGHT]], axis=1)
    subjects = draw.integers(0, BOXES, RELATIONS)
    objects = (subjects + draw.integers(1, BOXES, RELATIONS)) % BOXES
    relations = np.stack([subjects, objects, draw.integers(1, len(PREDICATES) + 1, RELATIONS)], axis=1)
    labels = draw.integers(1, len(OBJECTS) + 1, BOXES)
    return {"width": WIDTH, "height": HEIGHT, "boxes": boxes, "labels": labels, "relations": relations, "split": split}


def write_detector(path: Path, config: Path) -> None:
    """Writes a random detector, scaled as trained ones are."""
    import torch  # here and below: the process that measures others stays small

    from maskrcnn_benchmark.config import load_config
    from maskrcnn_benchmark.modeling.detector import build_detection_model

    torch.manual_seed(0)
    state = build_detection_model(load_config(config, ["MODEL.DEVICE", "cpu", "MODEL.WEIGHT", ""])).state_dict()
    scale_as_trained(state)
    path.parent.mkdir(parents=True)
    torch.save({"model": state}, path)


def scale_as_trained(state: dict) -> None:
    """Scales a random detector: features of the size of trained ones, classes that are not all alike."""
    for name, value in state.items():
        if name.endswith("bn3.weight"):
            value.fill_(0.2)  # a block adds little to its shortcut
        elif name.endswith("stem.bn1.weight"):
            value.fill_(0.02)  # pixels are far from 1
        elif name.endswith("cls_score.weight"):
            value.mul_(5)


def write_prototypes(folder: Path, source: str) -> None:
    """
    Writes the two files that the published command for LLAMA or CLIP reads: bare tensors of noise in half precision.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    (folder / PROTOTYPES).mkdir(parents=True)
    for path, width in ((VISUAL, 4096), (CONCEPTUAL[source], WIDTHS[source])):
        torch.save(torch.randn(len(PREDICATES) + 1, width, generator=generator).half(), folder / path)
