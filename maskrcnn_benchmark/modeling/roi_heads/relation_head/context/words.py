"""Tables of names that start from word vectors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.data.word_vectors import load_word_vectors, word_vector_file
from maskrcnn_benchmark.utils.seeding import torch_generator
from maskrcnn_benchmark.utils.weights import mark_unfilled


def starting_vectors(
    cfg, names: Sequence[str], width: int, kind: str, generator: torch.Generator
) -> tuple[Tensor, str]:
    """
    Start values (len(names), width) of a table from the vectors in GLOVE_DIR; and why they are a draw of `generator`
    that a checkpoint must replace, '' where they are not.
    """
    vectors = load_word_vectors(names, cfg.GLOVE_DIR, width, kind=kind, seed=cfg.SEED)
    if vectors is not None:
        return vectors, ""
    file = word_vector_file(cfg.GLOVE_DIR, width).name
    return torch.randn(
        len(names), width, generator=generator
    ), f"GLOVE_DIR {cfg.GLOVE_DIR}: no word vectors {file} there"


def word_table(cfg, names: Sequence[str]) -> nn.Embedding:
    """A trained table (len(names), EMBED_DIM) of class names that starts from word vectors."""
    width = cfg.MODEL.ROI_RELATION_HEAD.EMBED_DIM
    vectors, missing = starting_vectors(cfg, names, width, "object", torch_generator(cfg.SEED, width))
    table = nn.Embedding.from_pretrained(vectors, freeze=False)
    if missing:
        mark_unfilled(table, "weight", missing)
    return table
