"""The head as a whole, on doubles of its parts: what it hands to the predictor, in training and at test."""

import pytest
import torch
from torch import nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import RelationLoss
from maskrcnn_benchmark.modeling.roi_heads.relation_head.postprocess import RelationPostProcessor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import RelationPredictor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import PrototypeSource, read_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.extract import extract_visual_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.relation_head import ROIRelationHead
from maskrcnn_benchmark.modeling.roi_heads.relation_head.sampling import PairSampler
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.regions import PairFeatures, Regions
from maskrcnn_benchmark.structures.relation import RelationOutput
from maskrcnn_benchmark.utils.errors import UserError

F, OBJECTS, PREDICATES = 4, 3, 5


class Boxes(Regions):
    """Features of an entity are its corners, those of a pair their difference."""

    def __init__(self, entities):
        self.entities = entities

    def entity_features(self):
        return self.boxes

    def pair_features(self, pairs):
        subject, obj = self.batch_rows(pairs).unbind(1)
        return PairFeatures(self.boxes[subject] - self.boxes[obj], None)


class Predictor(RelationPredictor):
    @classmethod
    def from_config(cls, *_):
        return cls()

    def __init__(self):
        super().__init__()
        self.relation, self.entity = nn.Linear(F, PREDICATES), nn.Linear(F, OBJECTS)
        self.logged = {"seen": torch.tensor(1.0)}

    def forward(self, pairs):
        self.pairs = pairs
        losses = {"own": pairs.union_features.sum() * 0} if self.training else {}
        return RelationOutput(self.entity(pairs.roi_features / 100), self.relation(pairs.union_features / 100), losses)


def build(task=Task.SGCLS, **keywords):
    torch.manual_seed(0)
    sampler = PairSampler(
        task=task, batch_size=64, positive_fraction=0.5, iou_threshold=0.5, per_relation=4, require_overlap=False
    )
    return ROIRelationHead(
        task=task, sampler=sampler, box_feature_extractor=nn.Identity(), union_feature_extractor=nn.Identity(),
        predictor=Predictor(), loss=RelationLoss(),
        post_processor=RelationPostProcessor(task=task, nms_threshold=0.5), **keywords,
    )  # fmt: skip


def image(n, relations=()):
    generator = torch.Generator().manual_seed(n)
    corner = torch.rand(n, 2, generator=generator) * 50
    boxes = BoxList(torch.cat([corner, corner + 20], dim=1), (100, 90))
    boxes.add_field("labels", torch.ones(n, dtype=torch.long))
    boxes.add_field("predict_logits", torch.zeros(n, OBJECTS))
    boxes.add_field("boxes_per_cls", boxes.bbox[:, None].repeat(1, OBJECTS, 1))
    boxes.add_field("relation_tuple", torch.tensor(list(relations), dtype=torch.long).reshape(-1, 3))
    return boxes


IMAGES = [image(3, [(0, 1, 2), (2, 0, 4)]), image(0), image(1), image(2, [(1, 0, 1)])]


def test_training_gives_losses_and_a_flat_batch_of_all_images():
    head = build().train()
    proposals, losses = head(Boxes(IMAGES), IMAGES)
    assert proposals is IMAGES and set(losses) == {"loss_rel", "loss_refine_obj", "own"}
    pairs = head.predictor.pairs
    assert pairs.num_objects == [3, 0, 1, 2] and pairs.num_pairs == [6, 0, 0, 2]
    rows = torch.cat([pairs.pair_index, pairs.rel_labels[:, None]], dim=1)
    assert {tuple(row) for row in rows[pairs.rel_labels > 0].tolist()} == {(0, 1, 2), (2, 0, 4), (5, 4, 1)}
    assert [tuple(r.shape) for r in pairs.related] == [(3, 3), (0, 0), (1, 1), (2, 2)]
    assert head.logged == head.predictor.logged


@pytest.mark.parametrize("task", list(Task))
def test_evaluation_gives_an_image_its_own_pairs(task):
    results, losses = build(task).eval()(Boxes(IMAGES))
    assert losses == {}
    for boxes, result in zip(IMAGES, results, strict=True):
        n = len(boxes)
        assert sorted(map(tuple, result.get_field("rel_pair_idxs").tolist())) == [
            (i, j) for i in range(n) for j in range(n) if i != j
        ]
        assert result.size == boxes.size


def test_detections_apart_are_left_out_on_request():
    far = BoxList(torch.tensor([[0.0, 0, 10, 10], [5, 5, 15, 15], [60, 60, 80, 80]]), (100, 90))
    far.add_field("boxes_per_cls", far.bbox[:, None].repeat(1, OBJECTS, 1))
    results = {
        task: build(task, test_requires_overlap=True).eval()(Boxes([far]))[0][0] for task in (Task.SGDET, Task.SGCLS)
    }
    assert len(results[Task.SGDET].get_field("rel_pair_idxs")) == 2
    assert len(results[Task.SGCLS].get_field("rel_pair_idxs")) == 6


def test_images_without_any_pair_can_be_trained_on():
    _, losses = build().train()(Boxes([image(1)]), [image(1)])
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total) and losses["loss_rel"] == 0


class Model(nn.Module):
    """Stands in for the whole model: images are their own proposals."""

    def __init__(self, head):
        super().__init__()
        self.roi_heads = nn.Module()
        self.roi_heads.relation = head
        head.union_feature_extractor.out_channels = F

    def regions(self, _images, targets):
        return Boxes(targets)


def test_visual_prototypes_are_means_over_annotated_pairs_and_drawn_where_there_are_none(tmp_path, caplog):
    names = ("__background__", "on", "has", "near", "under")
    batches = [(None, IMAGES[:2]), (None, IMAGES[2:])]
    paths = [tmp_path / "out" / f"{i}.pt" for i in range(2)]
    for path in paths:
        extract_visual_prototypes(Model(build()), batches, names, path=path, source="a test", seed=3)

    sums, counts = torch.zeros(PREDICATES, F, dtype=torch.float64), torch.zeros(PREDICATES)
    for boxes in IMAGES:
        for s, o, p in boxes.get_field("relation_tuple").tolist():
            sums[p] += boxes.bbox[s].double() - boxes.bbox[o].double()
            counts[p] += 1
    found, again = (
        read_prototypes(PrototypeSource(key="", path=str(path), dim_key="", dim=F, tool=""), names) for path in paths
    )
    seen = [1, 2, 4]
    torch.testing.assert_close(found[seen], (sums[seen] / counts[seen, None]).float())
    assert torch.equal(found, again) and 0.1 < found[[0, 3]].std() < 3 and not torch.equal(found[0], found[3])
    assert "no training example of __background__, near: drawn from the standard normal instead, seed 3" in caplog.text


def test_a_training_split_without_relations_has_no_prototypes():
    with pytest.raises(UserError, match="no annotated pair"):
        extract_visual_prototypes(Model(build()), [(None, [image(2)])], ("a", "b"), path="x.pt", source="", seed=0)
