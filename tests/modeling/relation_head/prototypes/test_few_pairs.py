"""SPLN on batches with few pairs or none, in full and in mixed precision."""

import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN

from ..conftest import OBJECTS, PREDICATES, WIDTH, toy_pairs

FEW = [((4, 3), 7), ((1,), 0), ((2,), 1), ((0, 2), 2), ((0,), 0)]


def build(task):
    torch.manual_seed(0)
    banks = {"visual_bank": torch.randn(PREDICATES, WIDTH), "conceptual_bank": torch.randn(PREDICATES, 10)}
    words = {"object_vectors": torch.randn(OBJECTS, 6), "predicate_vectors": torch.randn(PREDICATES, 6)}
    sizes = {"in_channels": WIDTH, "dim": 8, "hidden_dim": 12, "visual_latent_dim": 5, "conceptual_latent_dim": 4}
    return SPLN(task=task, **banks, **words, **sizes)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("num_objects, num_pairs", FEW)
def test_training_gives_finite_losses_and_gradients(num_objects, num_pairs, task):
    model = build(task).train()
    out = model(toy_pairs(num_pairs, num_objects, training=True))
    total = sum(out.losses.values(), out.relation_logits.sum() + out.entity_logits.sum())
    assert torch.isfinite(total)
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("num_objects, num_pairs", FEW)
def test_evaluation_gives_finite_logits_for_every_pair_and_no_loss(num_objects, num_pairs, task):
    model = build(task).eval()
    with torch.no_grad():
        out = model(toy_pairs(num_pairs, num_objects))
    assert out.relation_logits.shape == (num_pairs, PREDICATES) and out.entity_logits.shape == (
        sum(num_objects),
        OBJECTS,
    )
    assert torch.isfinite(out.relation_logits).all() and not out.losses


def test_mixed_precision_is_close_to_full_and_learns():
    pairs = toy_pairs(18, training=True)
    model = build(Task.PREDCLS).eval()
    full = model(pairs).relation_logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(pairs).relation_logits
        losses = model.train()(pairs).losses
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, full, rtol=0.0, atol=0.3)  # logits reach 4
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_images_of_a_batch_do_not_see_each_other():
    model, both = build(Task.PREDCLS).eval(), toy_pairs(18)  # 12 pairs of the first image, 6 of the second
    alone = type(both)(
        boxes=both.boxes[:4], image_sizes=both.image_sizes[:1], num_objects=[4], pair_index=both.pair_index[:12],
        num_pairs=[12],
        roi_features=both.roi_features[:4], union_features=both.union_features[:12],
        object_labels=both.object_labels[:4],
    )  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(model(both).relation_logits[:12], model(alone).relation_logits, rtol=1e-4, atol=1e-5)
