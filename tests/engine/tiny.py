"""A data set of a dozen small images on disk, and a model small enough to train on it in seconds."""

from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.datasets.vg_layout import IMAGE_DIR, write_vg_layout
from maskrcnn_benchmark.data.meta import BACKGROUND, DatasetMeta
from maskrcnn_benchmark.engine.description import describe
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.checkpoint import Checkpointer

OBJECTS = ("cat", "dog", "table", "hat")
PREDICATES = ("on", "under", "wearing")
SPLITS = ["train"] * 8 + ["val"] * 2 + ["test"] * 3
HEAD = "MODEL.ROI_RELATION_HEAD."


def write_data(root: Path, name: str = "tiny", seed: int = 0) -> Path:
    """
    The folder root/name in the VG layout: images of noise with bright boxes, two to four boxes and one to three
    relations each.
    """
    rng = np.random.default_rng(seed)
    folder = root / name
    (folder / IMAGE_DIR).mkdir(parents=True)
    images = []
    for i, split in enumerate(SPLITS):
        width, height = [(96, 72), (72, 96), (80, 80)][i % 3]
        count = 2 + i % 3
        corner = rng.integers(0, 40, (count, 2))
        boxes = np.concatenate([corner, corner + rng.integers(12, 32, (count, 2))], axis=1)
        pixels = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
        labels = rng.integers(1, len(OBJECTS) + 1, count)
        for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
            pixels[y1 : y2 + 1, x1 : x2 + 1] = 50 * label
        cv2.imwrite(str(folder / IMAGE_DIR / f"{i + 1}.jpg"), pixels)
        pairs = [(0, 1), (1, 0), (0, 1)][: 1 + i % 3]
        relations = [(s, o, int(rng.integers(1, len(PREDICATES) + 1))) for s, o in pairs]
        images.append(
            {"width": width, "height": height, "boxes": boxes, "labels": labels, "relations": relations, "split": split}
        )
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    return folder


def write_word_vectors(folder: Path, width: int = 8) -> None:
    """glove.6B.<width>d.txt with a vector for every word of the vocabulary."""
    rng = np.random.default_rng(1)
    lines = [" ".join([word, *(f"{x:.4f}" for x in rng.normal(size=width))]) for word in OBJECTS + PREDICATES]
    (folder / f"glove.6B.{width}d.txt").write_text("\n".join(lines) + "\n")


def detector_keys() -> dict:
    """Keys of a detector of a few thousand parameters."""
    return {
        "MODEL": {
            "DEVICE": "cpu",
            "BACKBONE": {"CONV_BODY": "R-18-FPN", "FREEZE_CONV_BODY_AT": 1},
            "RESNETS": {
                "BACKBONE_OUT_CHANNELS": 8,
                "RES2_OUT_CHANNELS": 32,
                "STEM_OUT_CHANNELS": 8,
                "STRIDE_IN_1X1": False,
            },
            "RPN": {
                "USE_FPN": True,
                "RPN_MID_CHANNEL": 8,
                "ANCHOR_STRIDE": [4, 8, 16, 32, 64],
                "ANCHOR_SIZES": [8, 16, 32, 64, 128],
                "FPN_POST_NMS_TOP_N_TRAIN": 20,
                "FPN_POST_NMS_TOP_N_TEST": 20,
                "FPN_POST_NMS_PER_BATCH": False,
            },
            "ROI_HEADS": {"USE_FPN": True, "DETECTIONS_PER_IMG": 8, "SCORE_THRESH": 0.0, "NMS_FILTER_DUPLICATES": True},
            "ROI_BOX_HEAD": {
                "POOLER_RESOLUTION": 7,
                "POOLER_SCALES": [0.25, 0.125, 0.0625, 0.03125],
                "POOLER_SAMPLING_RATIO": 2,
                "FEATURE_EXTRACTOR": "FPN2MLPFeatureExtractor",
                "PREDICTOR": "FPNPredictor",
                "NUM_CLASSES": len(OBJECTS) + 1,
                "MLP_HEAD_DIM": 16,
            },
        },
        "INPUT": {
            "MIN_SIZE_TRAIN": [64],
            "MAX_SIZE_TRAIN": 96,
            "MIN_SIZE_TEST": 64,
            "MAX_SIZE_TEST": 96,
        },
        "DATASETS": {"TRAIN": ["tiny_train"], "VAL": ["tiny_val"], "TEST": ["tiny_test"]},
        "DATALOADER": {"NUM_WORKERS": 0, "SIZE_DIVISIBILITY": 32},
        "SOLVER": {
            "IMS_PER_BATCH": 2,
            "MAX_ITER": 6,
            "BASE_LR": 0.001,
            "WARMUP_ITERS": 2,
            "STEPS": [4],
            "CHECKPOINT_PERIOD": 3,
            "VAL_PERIOD": 3,
            "PRE_VAL": False,
            "LOG_PERIOD": 1,
        },
        "TEST": {"IMS_PER_BATCH": 2},
    }


def relation_keys() -> dict:
    """The same with a PE-Net of small widths for PredCls, trained with its backbone."""
    keys = detector_keys()
    keys["MODEL"] |= {
        "RELATION_ON": True,
        "FREEZE_DETECTOR": False,
        "ROI_RELATION_HEAD": {
            "PREDICTOR": "PrototypeEmbeddingNetwork",
            "USE_GT_BOX": True,
            "USE_GT_OBJECT_LABEL": True,
            "NUM_CLASSES": len(PREDICATES) + 1,
            "BATCH_SIZE_PER_IMAGE": 16,
            "CONTEXT_POOLING_DIM": 16,
            "CONTEXT_HIDDEN_DIM": 16,
            "PENET_MLP_DIM": 8,
            "PENET_EMBED_DIM": 8,
            "REQUIRE_BOX_OVERLAP": False,
            "ADD_GTBOX_TO_PROPOSAL_IN_TRAIN": True,
        },
    }
    keys["TEST"]["RELATION"] = {"REQUIRE_OVERLAP": False}
    return keys


def write_config(path: Path, keys: dict) -> Path:
    """A config file of these keys; OUTPUT_DIR is `out` beside it, GLOVE_DIR its own folder."""
    keys = {"OUTPUT_DIR": str(path.parent / "out"), "GLOVE_DIR": str(path.parent), **keys}
    path.write_text(yaml.safe_dump(keys))
    return path


def spln_overrides() -> list:
    """Keys and values that make SPLN of relation_keys; the prototype files need not be there."""
    values = {
        "VIS_PRO_PATH": "visual.pt",
        "VIS_PRO_DIM": 16,
        "VIS_VAE_INPUT_DIM": 16,
        "VIS_VAE_LATENT_DIM": 4,
        "CON_PRO_TYPE": "LLAMA",
    }
    values |= {
        "CON_PRO_LLAMA_PATH": "conceptual.pt",
        "CON_PRO_DIM": 24,
        "CON_VAE_INPUT_DIM": 24,
        "CON_VAE_LATENT_DIM": 4,
    }
    return [word for key, value in values.items() for word in (HEAD + key, value)]


def mode_overrides(mode: str) -> list:
    """Keys and values of "predcls", "sgcls" or "sgdet"."""
    return [HEAD + "USE_GT_BOX", mode != "sgdet", HEAD + "USE_GT_OBJECT_LABEL", mode == "predcls"]


def write_checkpoint(folder: Path, name: str, overrides: list, **entries) -> Path:
    """
    A checkpoint as a training of relation_keys writes it, but with seeded weights, in folder/<name>.pth; entries beside
    a training's.
    """
    config = write_config(folder / f"{name}.yaml", relation_keys())
    cfg = load_config(config, overrides)
    meta = DatasetMeta((BACKGROUND, *OBJECTS), (BACKGROUND, *PREDICATES))
    torch.manual_seed(7)
    model = build_detection_model(cfg, meta)
    return Checkpointer(folder).save(name, {"model": model.state_dict()} | describe(cfg, meta) | entries)
