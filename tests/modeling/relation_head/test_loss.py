"""Losses of pairs and entities, and the weights of predicates."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maskrcnn_benchmark.config import cfg
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head import loss
from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import (
    RelationLoss,
    class_balanced_weights,
    cross_entropy,
    logit_adjustment,
    mean_over_processes,
    relation_class_weights,
)
from maskrcnn_benchmark.utils.errors import UserError

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 3, 0])
SHARES = list(cfg.MODEL.ROI_RELATION_HEAD.REL_PROP)


def test_cross_entropy_is_torchs_weighted_or_smoothed():
    weights = torch.tensor([0.5, 1.0, 4.0, 2.0])
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS, weights), F.cross_entropy(LOGITS, LABELS, weights))
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS, smoothing=0.01), F.cross_entropy(LOGITS, LABELS, label_smoothing=0.01))
    assert cross_entropy(LOGITS[:0], LABELS[:0]) == 0


def test_the_average_of_two_processes_is_the_mean_over_both(monkeypatch):
    parts = [torch.tensor([1.0, 2.0, 6.0]), torch.tensor([5.0])]
    monkeypatch.setattr(loss, "world_size", lambda: 2)
    monkeypatch.setattr(loss, "all_reduce_sum", lambda _: torch.tensor(4.0))
    assert sum(mean_over_processes(p) for p in parts) / 2 == pytest.approx(torch.cat(parts).mean().item())


def test_predcls_has_no_label_loss():
    names = {refine: set(RelationLoss(refine_labels=refine)(LOGITS, LABELS, LOGITS, LABELS)) for refine in (True, False)}
    assert names == {True: {"loss_rel", "loss_refine_obj"}, False: {"loss_rel"}}


def weights(method, meta, shares=SHARES, default=True):
    return relation_class_weights(method, meta, shares, shares_are_default=default, beta=0.99999, background=0.5)


def test_no_reweighting_has_no_weights(toy_meta):
    assert weights("NONE", toy_meta) is None


def test_penet_weights_are_inverse_shares_counted_in_other_data(toy_meta):
    counts = toy_meta.fg_matrix.sum((0, 1))[1:]
    torch.testing.assert_close(weights("PENET", toy_meta), torch.tensor([2.0, *(counts.sum() / counts)], dtype=torch.float32))


def test_penet_weights_are_the_published_ones_on_vg150():
    names = ["__background__", "above", *(f"p{i:02d}" for i in range(48)), "with"]
    vg = DatasetMeta(objects=("__background__", "a"), predicates=names)
    found = weights("PENET", vg)
    assert len(found) == 51 and found[0] == 2.0 and found[1] == pytest.approx(1 / SHARES[0])


def test_given_shares_are_used_as_they_are_or_refused_for_their_number(toy_meta):
    given = [0.5, 0.2, 0.1, 0.1, 0.1]
    torch.testing.assert_close(weights("PENET", toy_meta, given, default=False), torch.tensor([2.0, 2, 5, 10, 10, 10]))
    with pytest.raises(UserError, match="REL_PROP has 3 shares; the data set has 5"):
        weights("PENET", toy_meta, given[:3], default=False)


def test_a_predicate_without_example_counts_as_one(toy_meta):
    fg = toy_meta.fg_matrix.copy()
    fg[..., 5] = 0
    meta = DatasetMeta(objects=toy_meta.objects, predicates=toy_meta.predicates, fg_matrix=fg, bg_matrix=toy_meta.bg_matrix)
    assert weights("PENET", meta)[5] == pytest.approx(fg.sum() + 1)


def test_class_balanced_weights_are_inverse_effective_numbers():
    counts = np.array([0, 100000, 1000, 1])
    found = class_balanced_weights(counts, beta=0.999, background=0.3)
    effective = [(1 - 0.999**n) / (1 - 0.999) for n in counts[1:]]
    assert found[0] == pytest.approx(0.3)
    torch.testing.assert_close(found[1:] / found[1], torch.tensor([effective[0] / e for e in effective], dtype=torch.float32))
    assert math.isclose(float((found[1:] * torch.tensor(counts[1:])).sum() / counts.sum()), 1.0, rel_tol=1e-5)


def test_reweighting_without_statistics_says_so():
    meta = DatasetMeta(objects=("__background__", "a"), predicates=("__background__", "on"))
    with pytest.raises(UserError, match="needs the training statistics"):
        weights("CLASS_BALANCED", meta)


def test_logit_adjustment_is_the_log_of_frequency_around_an_average_of_zero(toy_meta):
    counts = torch.tensor(toy_meta.predicate_counts()[1:], dtype=torch.float32)
    found = logit_adjustment(toy_meta, 0.5)
    assert found[0] == 0
    torch.testing.assert_close(found[1:] - found[1], 0.5 * (counts / counts[0]).log())
    assert float((found[1:] * counts).sum() / counts.sum()) == pytest.approx(0.0, abs=1e-5)
    assert logit_adjustment(toy_meta, 0.0) is None
    with pytest.raises(UserError, match="LOGIT_ADJUSTMENT needs the training statistics"):
        logit_adjustment(DatasetMeta(objects=("__background__",), predicates=("__background__", "on")), 1.0)


def test_adjusted_logits_are_seen_by_the_relation_loss_alone():
    shift = torch.tensor([0.0, 1.0, -1.0, -2.0])
    found = RelationLoss(adjustment=shift)(LOGITS, LABELS, LOGITS, LABELS)
    torch.testing.assert_close(found["loss_rel"], F.cross_entropy(LOGITS + shift, LABELS))
    torch.testing.assert_close(found["loss_refine_obj"], F.cross_entropy(LOGITS, LABELS))
