"""Losses of pairs and entities, and the weights of predicates."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling import averaging
from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import (
    RelationLoss,
    configured_weights,
    cross_entropy,
    predicate_weights,
)
from maskrcnn_benchmark.utils.errors import UserError

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 3, 0])


def test_cross_entropy_is_torchs_weighted_or_smoothed():
    weights = torch.tensor([0.5, 1.0, 4.0, 2.0])
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS, weights), F.cross_entropy(LOGITS, LABELS, weights))
    torch.testing.assert_close(
        cross_entropy(LOGITS, LABELS, smoothing=0.01), F.cross_entropy(LOGITS, LABELS, label_smoothing=0.01)
    )
    assert cross_entropy(LOGITS[:0], LABELS[:0]) == 0


def test_the_average_of_two_processes_is_the_mean_over_both(monkeypatch):
    parts = [torch.tensor([1.0, 2.0, 6.0]), torch.tensor([5.0])]
    monkeypatch.setattr(averaging, "world_size", lambda: 2)
    monkeypatch.setattr(averaging, "all_reduce_sum", lambda _: torch.tensor(4.0))
    assert sum(averaging.mean_over_processes(p.sum(), len(p)) for p in parts) / 2 == pytest.approx(
        torch.cat(parts).mean().item()
    )


def test_predcls_has_no_label_loss():
    names = {
        refine: set(RelationLoss(refine_labels=refine)(LOGITS, LABELS, LOGITS, LABELS)) for refine in (True, False)
    }
    assert names == {True: {"loss_rel", "loss_refine_obj"}, False: {"loss_rel"}}


def config(method="PENET", **keys):
    words = [word for key, value in keys.items() for word in (f"MODEL.REWEIGHT_{key}", value)]
    return load_config(None, ["MODEL.USE_REWEIGHT", method, *words])


def by_hand(counts, beta):
    """Weights of the effective number, the background's first, to the sum K."""
    found = [1 - beta, *((1 - beta) / (1 - beta**n) for n in counts)]
    return torch.tensor([len(found) * w / sum(found) for w in found])


def test_no_reweighting_has_no_weights(toy_meta):
    assert predicate_weights(config("NONE"), toy_meta, 1) is None


def test_weights_are_inverse_effective_numbers_of_training_examples(toy_meta):
    counts = toy_meta.fg_matrix.sum((0, 1))[1:].tolist()
    for iteration in (1, 10**6):
        found = predicate_weights(config("CLASS_BALANCED", BETA=0.999), toy_meta, iteration)
        torch.testing.assert_close(found, by_hand(counts, 0.999))
    assert found.sum().item() == pytest.approx(len(counts) + 1) and found.argmin() == 0


def test_totals_that_the_dictionary_states_go_before_training_examples(toy_meta):
    totals = [900, 1, 30, 400, 20]
    meta = replace(toy_meta, predicate_totals=np.array([0, *totals]))
    torch.testing.assert_close(predicate_weights(config("CLASS_BALANCED"), meta, 1), by_hand(totals, 0.99999))


def test_the_most_frequent_predicates_lose_their_weight_along_a_line_down_to_the_floor(toy_meta):
    meta = replace(toy_meta, predicate_totals=np.array([0, 900, 1, 30, 900, 20]))
    cfg = config(HEAD_SHARE=0.4, CURRICULUM=100, FLOOR=0.3)
    start = predicate_weights(config("CLASS_BALANCED"), meta, 1)
    for iteration, factor in ((1, 0.99), (50, 0.5), (70, 0.3), (1000, 0.3)):
        expected = start * torch.tensor([1, factor, 1, 1, factor, 1])
        torch.testing.assert_close(predicate_weights(cfg, meta, iteration), expected)


@pytest.mark.golden
def test_vg150s_weights_are_the_published_constants(shared):
    """
    Of the released code's 51 constants: the smallest, the largest and their sum, to four decimals; 16 predicates are
    head.
    """
    tables = json.loads((shared / "data/vg150/VG-SGG-dicts-with-attri.json").read_text())
    names = [tables["idx_to_predicate"][str(i)] for i in range(1, 51)]
    totals = np.array([0, *(tables["predicate_count"][name] for name in names)])
    meta = DatasetMeta(objects=("__background__", "a"), predicates=("__background__", *names), predicate_totals=totals)
    start, late = (predicate_weights(config(), meta, iteration) for iteration in (0, 10**6))
    assert start.sum().item() == pytest.approx(51, rel=1e-5)
    falling = [name for name, before, after in zip(names, start[1:], late[1:], strict=True) if after < before]
    assert len(falling) == 16 and {"on", "has", "wearing", "of", "in"} <= set(falling)
    torch.testing.assert_close(
        late[1:][start[1:] != late[1:]] / start[1:][start[1:] != late[1:]], torch.full((16,), 0.2)
    )


def test_a_predicate_without_example_counts_as_one(toy_meta):
    totals = [900, 0, 30, 400, 20]
    meta = replace(toy_meta, predicate_totals=np.array([0, *totals]))
    torch.testing.assert_close(
        predicate_weights(config("CLASS_BALANCED"), meta, 1), by_hand([900, 1, 30, 400, 20], 0.99999)
    )


def test_predicates_that_all_lack_examples_weigh_alike(toy_meta):
    meta = replace(toy_meta, predicate_totals=np.zeros(6, dtype=np.int64))
    torch.testing.assert_close(predicate_weights(config("CLASS_BALANCED"), meta, 1), by_hand([1] * 5, 0.99999))


@pytest.mark.parametrize(("beta", "warned"), [(0.99999, True), (0.99, False)])
def test_a_beta_for_far_more_examples_is_named_with_a_fitting_one(toy_meta, beta, warned, caplog):
    meta = replace(toy_meta, predicate_totals=np.array([0, 200 + warned, 1, 30, 100, 20]))
    predicate_weights(config(BETA=beta), meta, 1)
    assert ("1 - 1 / examples would be 0.99502" in caplog.text) is warned


def test_the_relation_loss_takes_the_weights_of_its_iteration(toy_meta):
    meta = replace(
        toy_meta,
        predicates=toy_meta.predicates[:4],
        fg_matrix=None,
        bg_matrix=None,
        predicate_totals=np.array([0, 50, 5, 2]),
    )
    cfg = config(CURRICULUM=10)
    loss = RelationLoss(weights=configured_weights(cfg, meta), refine_labels=False)
    for iteration, factor in ((1, 0.9), (5, 0.5), (9, 0.2), (20, 0.2)):
        loss.iteration = iteration
        expected = F.cross_entropy(LOGITS, LABELS, predicate_weights(cfg, meta, iteration))
        torch.testing.assert_close(loss(LOGITS, LABELS, LOGITS, LABELS)["loss_rel"], expected)
        assert loss.logged["reweight_factor"].item() == pytest.approx(factor)
    assert not loss.state_dict()


def test_reweighting_without_statistics_says_so():
    meta = DatasetMeta(objects=("__background__", "a"), predicates=("__background__", "on"))
    with pytest.raises(UserError, match="CLASS_BALANCED needs the training statistics"):
        predicate_weights(config("CLASS_BALANCED"), meta, 1)
