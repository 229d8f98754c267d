"""
Small data for the relation head: a vocabulary of five classes and six predicates, batches of pairs, a config of small
widths.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.config import Task, load_config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.structures.relation import PairBatch

WIDTH, OBJECTS, PREDICATES = 16, 5, 6
HEAD = "MODEL.ROI_RELATION_HEAD."
WIDTH_KEYS = {
    HEAD + "PENET_MLP_DIM": 8,
    HEAD + "PENET_EMBED_DIM": 6,
    HEAD + "EMBED_DIM": 6,
    HEAD + "CONTEXT_HIDDEN_DIM": 12,
    HEAD + "CONTEXT_POOLING_DIM": WIDTH,
    HEAD + "TRANSFORMER.NUM_HEAD": 2,
    HEAD + "TRANSFORMER.KEY_DIM": 4,
    HEAD + "TRANSFORMER.VAL_DIM": 4,
    HEAD + "TRANSFORMER.INNER_DIM": 8,
    HEAD + "VIS_PRO_DIM": WIDTH,
    HEAD + "VIS_VAE_INPUT_DIM": WIDTH,
    HEAD + "VIS_VAE_LATENT_DIM": 5,
    HEAD + "CON_PRO_DIM": 10,
    HEAD + "CON_VAE_INPUT_DIM": 10,
    HEAD + "CON_VAE_LATENT_DIM": 4,
    HEAD + "NUM_CLASSES": PREDICATES,
    "MODEL.ROI_BOX_HEAD.NUM_CLASSES": OBJECTS,
    "MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM": WIDTH,
    "MODEL.DEVICE": "cpu",
}
TASK_KEYS = {
    Task.PREDCLS: {HEAD + "USE_GT_BOX": True, HEAD + "USE_GT_OBJECT_LABEL": True},
    Task.SGCLS: {HEAD + "USE_GT_BOX": True, HEAD + "USE_GT_OBJECT_LABEL": False},
    Task.SGDET: {HEAD + "USE_GT_BOX": False, HEAD + "USE_GT_OBJECT_LABEL": False},
}


@pytest.fixture
def toy_meta() -> DatasetMeta:
    """Five object classes and six predicates, the background counted, with long-tailed counts."""
    rng = np.random.default_rng(0)
    fg = rng.poisson(2.0, (OBJECTS, OBJECTS, PREDICATES)) * np.array([0, 40, 20, 8, 2, 1])
    fg[0], fg[:, 0] = 0, 0
    return DatasetMeta(
        objects=("__background__", "cat", "dog", "mat", "sofa"),
        predicates=("__background__", "on", "has", "near", "under", "lying on"),
        fg_matrix=fg,
        bg_matrix=rng.integers(0, 50, (OBJECTS, OBJECTS)),
    )


@lru_cache
def _config(predictor: str, task: Task, keys: tuple):
    values = {
        HEAD + "PREDICTOR": predictor,
        "GLOVE_DIR": "no-such-folder",
        **WIDTH_KEYS,
        **TASK_KEYS[task],
        **dict(keys),
    }
    return load_config(None, [word for pair in values.items() for word in pair])


@pytest.fixture
def toy_cfg() -> Callable:
    """toy_cfg(predictor, task, keys): a config of small widths; word vectors are absent."""

    def make(predictor: str = "PrototypeEmbeddingNetwork", task: Task = Task.PREDCLS, keys: dict | None = None):
        return _config(predictor, task, tuple((keys or {}).items()))

    return make


def toy_pairs(
    num_pairs: int, num_objects: tuple[int, ...] = (4, 3), *, training: bool = False, seed: int = 0
) -> PairBatch:
    """
    A batch of random entities with every field filled; the pairs are the first `num_pairs` of all ordered ones, image
    by image.
    """
    generator = torch.Generator().manual_seed(seed)
    total = sum(num_objects)
    corners = torch.rand(total, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + 5 + torch.rand(total, 2, generator=generator) * 30], dim=1)
    starts = torch.tensor([0, *num_objects]).cumsum(0)
    per_image = [
        (~torch.eye(n, dtype=torch.bool)).nonzero() + start for n, start in zip(num_objects, starts[:-1], strict=True)
    ]
    counts, left = [], num_pairs
    for pairs in per_image:
        counts.append(min(len(pairs), left))
        left -= counts[-1]
    assert left == 0, "more pairs than there are"
    labels = torch.randint(1, OBJECTS, (total,), generator=generator)
    return PairBatch(
        boxes=boxes,
        image_sizes=[(100, 110)] * len(num_objects),
        num_objects=list(num_objects),
        pair_index=torch.cat([pairs[:count] for pairs, count in zip(per_image, counts, strict=True)]),
        num_pairs=counts,
        roi_features=torch.rand(total, WIDTH, generator=generator),
        union_features=torch.rand(num_pairs, WIDTH, generator=generator),
        spatial_features=torch.rand(num_pairs, WIDTH, generator=generator),
        object_labels=labels,
        object_logits=torch.randn(total, OBJECTS, generator=generator),
        boxes_per_class=boxes[:, None].repeat(1, OBJECTS, 1),
        rel_labels=torch.randint(0, PREDICATES, (num_pairs,), generator=generator) if training else None,
        related=[torch.ones(n, n, dtype=torch.bool) for n in num_objects] if training else None,
    )
