"""
A detector and relation models of a few thousand parameters in four classes and three predicates, and images for them.
"""

import numpy as np
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.structures.bounding_box import BoxList

META = DatasetMeta(
    objects=("__background__", "cat", "dog", "table", "hat"),
    predicates=("__background__", "on", "under", "wearing"),
    fg_matrix=np.ones((5, 5, 4)),
    bg_matrix=np.ones((5, 5)),
)
RELATION, BOX = "MODEL.ROI_RELATION_HEAD.", "MODEL.ROI_BOX_HEAD."
KEYS = {
    "MODEL.DEVICE": "cpu",
    "MODEL.BACKBONE.CONV_BODY": "R-18-FPN",
    "MODEL.BACKBONE.FREEZE_CONV_BODY_AT": 1,
    "MODEL.RESNETS.BACKBONE_OUT_CHANNELS": 8,
    "MODEL.RESNETS.RES2_OUT_CHANNELS": 8,
    "MODEL.RESNETS.STEM_OUT_CHANNELS": 8,
    "MODEL.RESNETS.STRIDE_IN_1X1": False,
    "MODEL.RPN.USE_FPN": True,
    "MODEL.RPN.RPN_MID_CHANNEL": 8,
    "MODEL.RPN.ANCHOR_STRIDE": (4, 8, 16, 32, 64),
    "MODEL.RPN.ANCHOR_SIZES": (8, 16, 32, 64, 128),
    "MODEL.RPN.FPN_POST_NMS_TOP_N_TRAIN": 20,
    "MODEL.RPN.FPN_POST_NMS_TOP_N_TEST": 12,
    "MODEL.RPN.FPN_POST_NMS_PER_BATCH": False,
    "MODEL.ROI_HEADS.USE_FPN": True,
    "MODEL.ROI_HEADS.DETECTIONS_PER_IMG": 8,
    "MODEL.ROI_HEADS.SCORE_THRESH": 0.0,
    "MODEL.ROI_HEADS.NMS_FILTER_DUPLICATES": True,
    BOX + "POOLER_RESOLUTION": 4,
    BOX + "POOLER_SCALES": (0.25, 0.125, 0.0625, 0.03125),
    BOX + "POOLER_SAMPLING_RATIO": 2,
    BOX + "FEATURE_EXTRACTOR": "FPN2MLPFeatureExtractor",
    BOX + "PREDICTOR": "FPNPredictor",
    BOX + "NUM_CLASSES": 5,
    BOX + "MLP_HEAD_DIM": 16,
    "DATALOADER.SIZE_DIVISIBILITY": 32,
    "TEST.RELATION.REQUIRE_OVERLAP": False,
    RELATION + "PREDICTOR": "PrototypeEmbeddingNetwork",
    RELATION + "NUM_CLASSES": 4,
    RELATION + "BATCH_SIZE_PER_IMAGE": 16,
    RELATION + "CONTEXT_POOLING_DIM": 16,
    RELATION + "CONTEXT_HIDDEN_DIM": 16,
    RELATION + "PENET_MLP_DIM": 8,
    RELATION + "PENET_EMBED_DIM": 8,
    RELATION + "REQUIRE_BOX_OVERLAP": False,
    RELATION + "ADD_GTBOX_TO_PROPOSAL_IN_TRAIN": True,
    "GLOVE_DIR": "no-such-folder",
}
MODES = ("detection", "predcls", "sgcls", "sgdet")


def config(mode: str, *words):
    """A config of one of MODES."""
    keys = {
        **KEYS,
        "MODEL.RELATION_ON": mode != "detection",
        RELATION + "USE_GT_BOX": mode in ("predcls", "sgcls"),
        RELATION + "USE_GT_OBJECT_LABEL": mode == "predcls",
    }
    return load_config(None, [word for pair in keys.items() for word in pair] + list(words))


def images() -> list[torch.Tensor]:
    """Four images of noise of different sizes."""
    generator = torch.Generator().manual_seed(0)
    return [
        30 * torch.randn(3, height, width, generator=generator)
        for height, width in [(64, 96), (90, 70), (80, 80), (70, 90)]
    ]


def annotation(size, boxes, labels, relations, image_id=0) -> BoxList:
    """Boxes of an image with everything that training and evaluation ask for."""
    target = BoxList(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), size)
    target.add_field("labels", torch.tensor(labels, dtype=torch.int64))
    target.add_field("relation_tuple", torch.tensor(relations, dtype=torch.int64).reshape(-1, 3))
    target.add_field("image_id", image_id)
    return target


def targets() -> list[BoxList]:
    """Annotations of `images`."""
    boxes = [[2, 3, 40, 50], [10, 20, 60, 60], [30, 5, 63, 30]]
    return [
        annotation((96, 64), boxes, [1, 2, 3], [[0, 1, 1], [1, 2, 3]], 1),
        annotation((70, 90), boxes[:2], [4, 2], [[1, 0, 2]], 2),
        annotation((80, 80), boxes[::-1], [2, 2, 1], [[2, 0, 1]], 3),
        annotation((90, 70), boxes[1:], [3, 4], [[0, 1, 3]], 4),
    ]
