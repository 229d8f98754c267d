"""Conceptual prototypes: what a language model makes of each predicate and of the triplets that it stands in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.utils.errors import UserError

# texts -> (number of texts, V), a row of length 1 each
Embed = Callable[[Sequence[str]], Tensor]


@dataclass(frozen=True)
class Triplet:
    """Words of a training triplet, and its weight among those of its predicate (they sum to 1)."""

    subject: str
    object: str
    weight: float


def weighted_triplets(meta: DatasetMeta, limit: int | None = None) -> list[list[Triplet]]:
    """
    The distinct training triplets of each predicate by descending weight.

    A triplet weighs as often as it was annotated, times how much its two classes say of the predicate: a class that occurs in the same
    role with d of the K − 1 predicates counts log(1 + (K − 1) / d), so that words which go with everything fade.

    Args:
        meta: with training statistics.
        limit: only the heaviest ones of each predicate.
    Returns:
        K lists, background first and empty; empty too for a predicate without training example.
    Raises:
        UserError: no statistics.
    """
    if meta.fg_matrix is None:
        raise UserError("conceptual prototypes need the training statistics of the data set, and there are none")
    counts = np.asarray(meta.fg_matrix, dtype=np.float64)
    as_subject = np.log1p((meta.num_predicates - 1) / np.maximum((counts.sum(1) > 0)[:, 1:].sum(1), 1))  # (O,)
    as_object = np.log1p((meta.num_predicates - 1) / np.maximum((counts.sum(0) > 0)[:, 1:].sum(1), 1))  # (O,)
    weights = counts * as_subject[:, None, None] * as_object[None, :, None]
    triplets: list[list[Triplet]] = [[]]
    for predicate in range(1, meta.num_predicates):
        subjects, objects = np.nonzero(weights[:, :, predicate])
        values = weights[subjects, objects, predicate]
        order = np.argsort(-values, kind="stable")[:limit]
        total = values[order].sum()
        triplets.append([Triplet(meta.objects[subjects[i]], meta.objects[objects[i]], float(values[i] / total)) for i in order])
    return triplets


def separate_words(meta: DatasetMeta, embed: Embed) -> Tensor:
    """
    Subject, predicate and object embedded by themselves (CLIP): (K, 3V).

    The subject's part is the weighted mean over the predicate's triplets, the object's likewise; a predicate without triplets has the
    predicate's own vector in all three.
    """
    classes, predicates = embed(meta.objects[1:]), embed(meta.predicates[1:])
    row = dict(zip(meta.objects[1:], classes, strict=True))
    rows = []
    for own, triplets in zip(predicates, weighted_triplets(meta)[1:], strict=True):
        if not triplets:
            rows.append(torch.cat([own, own, own]))
            continue
        weights = torch.tensor([t.weight for t in triplets])
        subject = weights @ torch.stack([row[t.subject] for t in triplets])
        obj = weights @ torch.stack([row[t.object] for t in triplets])
        rows.append(torch.cat([subject, own, obj]))
    return with_background(rows)


def sentences(meta: DatasetMeta, embed: Embed, *, limit: int = 20) -> Tensor:
    """
    The mean of the predicate's own vector and the weighted mean over sentences "subject predicate object" of its heaviest triplets
    (sentence encoders): (K, V).
    """
    rows = []
    for predicate, triplets in zip(meta.predicates[1:], weighted_triplets(meta, limit)[1:], strict=True):
        texts = [f"{t.subject} {predicate} {t.object}" for t in triplets]
        vectors = embed([predicate, *texts])
        weights = torch.tensor([0.5, *(0.5 * t.weight for t in triplets)]) if texts else torch.ones(1)
        rows.append(weights @ vectors)
    return with_background(rows)


def prompts(meta: DatasetMeta, *, limit: int = 8) -> list[tuple[str, str]]:
    """
    A text for each predicate that ends in it (language models), as (what comes before, the predicate): the model has read its heaviest
    triplets when it reaches the word.
    """
    found = []
    for predicate, triplets in zip(meta.predicates[1:], weighted_triplets(meta, limit)[1:], strict=True):
        examples = ", ".join(f"{t.subject} {predicate} {t.object}" for t in triplets)
        seen = f"In pictures one sees: {examples}. " if examples else ""
        found.append((f"{seen}The relation that these have in common is ", predicate))
    return found


def with_background(rows: Sequence[Tensor]) -> Tensor:
    """(K − 1) rows -> (K, V), their mean first as the background's."""
    bank = torch.stack(list(rows))
    return torch.cat([bank.mean(dim=0, keepdim=True), bank])
