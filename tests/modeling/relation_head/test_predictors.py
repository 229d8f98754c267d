"""What every relation predictor promises, whatever it computes."""

import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling import registry
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import RelationPredictor

from .conftest import OBJECTS, PREDICATES, WIDTH, toy_pairs

NAMES = sorted(registry.ROI_RELATION_PREDICTOR)


def build(name, toy_cfg, toy_meta, task=Task.PREDCLS):
    torch.manual_seed(0)
    return registry.ROI_RELATION_PREDICTOR[name].from_config(toy_cfg(name, task), toy_meta, WIDTH)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("num_pairs", [0, 1, 7])
@pytest.mark.parametrize("name", NAMES)
def test_evaluation_gives_finite_logits_for_every_pair_and_no_loss(name, num_pairs, task, toy_cfg, toy_meta):
    model = build(name, toy_cfg, toy_meta, task).eval()
    with torch.no_grad():
        out = model(toy_pairs(num_pairs))
    assert out.relation_logits.shape == (num_pairs, PREDICATES)
    assert out.entity_logits.shape == (7, OBJECTS)
    assert torch.isfinite(out.relation_logits).all() and torch.isfinite(out.entity_logits).all()
    assert not out.losses


@pytest.mark.parametrize("name", NAMES)
def test_what_the_package_reads_of_a_predictor_is_there(name, toy_cfg, toy_meta):
    model = build(name, toy_cfg, toy_meta).eval()
    assert issubclass(registry.ROI_RELATION_PREDICTOR[name], RelationPredictor) and isinstance(model, RelationPredictor)
    assert tuple(model(toy_pairs(7)).terms) == tuple(model.term_names)
    assert all(value.numel() == 1 and not value.requires_grad for value in model.logged.values())
    assert model.extractor_slowdown >= 1


def test_a_predictor_that_lacks_a_part_of_the_contract_cannot_be_made():
    class Halfway(RelationPredictor):
        @classmethod
        def from_config(cls, *_):
            return cls()

    with pytest.raises(TypeError, match="abstract method '?forward"):
        Halfway.from_config(None, None, 4)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("num_objects, num_pairs", [((4, 3), 7), ((1,), 0), ((2,), 1), ((0, 2), 2), ((0,), 0)])
@pytest.mark.parametrize("name", NAMES)
def test_training_on_few_or_no_pairs_gives_finite_losses_and_gradients(
    name, num_objects, num_pairs, task, toy_cfg, toy_meta
):
    model = build(name, toy_cfg, toy_meta, task).train()
    out = model(toy_pairs(num_pairs, num_objects, training=True))
    total = sum(out.losses.values(), out.relation_logits.sum() + out.entity_logits.sum())
    assert torch.isfinite(total)
    if total.requires_grad:
        total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_do_not_see_each_other(name, toy_cfg, toy_meta):
    model = build(name, toy_cfg, toy_meta).eval()
    both = toy_pairs(18)  # 12 pairs of the first image, 6 of the second
    alone = type(both)(
        boxes=both.boxes[:4], image_sizes=both.image_sizes[:1], num_objects=[4], pair_index=both.pair_index[:12],
        num_pairs=[12],
        roi_features=both.roi_features[:4], union_features=both.union_features[:12],
        spatial_features=both.spatial_features[:12],
        object_labels=both.object_labels[:4], object_logits=both.object_logits[:4],
        boxes_per_class=both.boxes_per_class[:4],
    )  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(model(both).relation_logits[:12], model(alone).relation_logits, rtol=1e-4, atol=1e-5)
