"""
The one test of learning from end to end: a brief training by the command line tells, on new images, what no frequency
can tell.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from maskrcnn_benchmark.data.datasets.vg_layout import IMAGE_DIR, write_vg_layout
from maskrcnn_benchmark.data.scenes.vocabulary import OBJECTS
from maskrcnn_benchmark.data.scenes.write import make_image
from maskrcnn_benchmark.utils.log import close_logging

ROOT = Path(__file__).resolve().parents[2]

DIRECTIONS = ("left of", "right of", "above", "under")
LARGEST = 7


def direction(subject, other) -> int:
    """The id in DIRECTIONS, from 1, of where a box's centre lies as seen from another's, by the longer way."""
    dx, dy = (other[:2] + other[2:]) / 2 - (subject[:2] + subject[2:]) / 2
    if abs(dx) >= abs(dy):
        return 1 if dx > 0 else 2
    return 3 if dy > 0 else 4


def write_directions(folder, *, train: int, test: int) -> None:
    """
    Rendered scenes with their largest objects, half of the ordered pairs annotated with where one lies from the other.

    The scenes' own predicates follow from the classes for the most part, and FREQ is hard to beat in a minute; these
    have to be seen.
    """
    (folder / IMAGE_DIR).mkdir(parents=True)
    records = []
    for index, split in enumerate(["train"] * train + ["test"] * test):
        picture, record, _ = make_image(0, split, index)
        areas = np.prod(record["boxes"][:, 2:] - record["boxes"][:, :2], axis=1)
        kept = np.sort(np.argsort(-areas, kind="stable")[:LARGEST])
        boxes, labels = record["boxes"][kept].astype(float), [record["labels"][row] for row in kept]
        rng = np.random.default_rng(index)
        pairs = [(s, o) for s in range(len(kept)) for o in range(len(kept)) if s != o and rng.random() < 0.5]
        relations = [(s, o, direction(boxes[s], boxes[o])) for s, o in pairs]
        cv2.imwrite(str(folder / IMAGE_DIR / f"{index + 1}.jpg"), picture[:, :, ::-1])
        size = {"width": record["width"], "height": record["height"]}
        records.append({**size, "boxes": boxes, "labels": labels, "relations": relations, "split": split})
    write_vg_layout(folder, records, OBJECTS, DIRECTIONS)


def keys() -> dict:
    """The demo's PE-Net in small, on the packaged ImageNet backbone; the pyramid learns along."""
    size = {"MIN_SIZE_TRAIN": [96], "MAX_SIZE_TRAIN": 144, "MIN_SIZE_TEST": 96, "MAX_SIZE_TEST": 144}
    head = {
        "NUM_CLASSES": len(DIRECTIONS) + 1,
        "CONTEXT_POOLING_DIM": 256,
        "PENET_MLP_DIM": 128,
        "PENET_DROPOUT": 0.0,
        "POOLING_ALL_LEVELS": False,
        "BATCH_SIZE_PER_IMAGE": 32,
        "POSITIVE_FRACTION": 0.5,
    }
    return {
        "_BASE_": str(ROOT / "configs/demo/predcls.yaml"),
        "INPUT": size,
        "DATASETS": {"TRAIN": ["directions_train"], "TEST": ["directions_test"]},
        "DATALOADER": {"NUM_WORKERS": 0},
        "MODEL": {
            "DEVICE": "cpu",
            "BACKBONE": {"FREEZE_CONV_BODY_AT": 5},
            "RESNETS": {"BACKBONE_OUT_CHANNELS": 32},
            "ROI_BOX_HEAD": {"MLP_HEAD_DIM": 256},
            "ROI_RELATION_HEAD": head,
        },
        "SOLVER": {
            "IMS_PER_BATCH": 4,
            "BASE_LR": 0.005,
            "MAX_ITER": 420,  # by 320 it has not learnt yet
            "STEPS": [340, 400],
            "WARMUP_ITERS": 20,
            "CHECKPOINT_PERIOD": 1000,
            "TO_VAL": False,
        },
        "SEED": 1,
        "OUTPUT_DIR": "out",
    }


@pytest.mark.slow
def test_a_minute_of_training_beats_the_frequency_baseline(call, tmp_path, monkeypatch):
    """
    R@50 and mR@50 on 60 images that training has not seen, each above FREQ beyond what drawing other images would
    explain.
    """
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_directions(tmp_path / "directions", train=150, test=60)
    (tmp_path / "learn.yaml").write_text(yaml.safe_dump(keys()))
    status, said = call("relation_train_net", "--config-file", "learn.yaml", "--skip-test")
    assert status == 0, said
    status, said = call("relation_test_net", "--config-file", "learn.yaml")
    close_logging()
    assert status == 0, said
    metrics = json.loads((tmp_path / "out/inference/directions_test/metrics.json").read_text())
    lead = metrics["freq"]["lead"]
    assert metrics["images"] == 60 and lead["R@50"]["low"] > 0 and lead["mR@50"]["low"] > 0, metrics
