"""Tables of class names that start from word vectors, as the baselines' embeddings do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from maskrcnn_benchmark.data.word_vectors import load_word_vectors
from maskrcnn_benchmark.utils.checkpoint import mark_unfilled
from maskrcnn_benchmark.utils.seeding import torch_generator


def word_table(cfg, names: Sequence[str]) -> nn.Embedding:
    """
    A trained table (len(names), EMBED_DIM) from the vectors in GLOVE_DIR; without the file a seeded draw, marked
    unfilled.
    """
    width = cfg.MODEL.ROI_RELATION_HEAD.EMBED_DIM
    vectors = load_word_vectors(names, cfg.GLOVE_DIR, width, kind="object", seed=cfg.SEED)
    if vectors is not None:
        return nn.Embedding.from_pretrained(vectors, freeze=False)
    table = nn.Embedding.from_pretrained(
        torch.randn(len(names), width, generator=torch_generator(cfg.SEED, width)), freeze=False
    )
    mark_unfilled(table, "weight", f"GLOVE_DIR {cfg.GLOVE_DIR}: no word vectors of width {width} there")
    return table
