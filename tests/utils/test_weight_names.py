"""Rules from the names of ImageNet networks to those of the backbones, and what kind of model names belong to."""

import json

import pytest
import torch
import torchvision

from maskrcnn_benchmark.utils.weight_names import (
    holds_backbone_only,
    holds_detector,
    holds_relation,
    plain_names,
    summarise,
    target_name,
)
from maskrcnn_benchmark.utils.weights import load_weights

from .named_module import NamedModule


@pytest.fixture(scope="module")
def published_backbone(shared):
    names = json.loads((shared / "reference/state_dict_detector_X101.json").read_text())
    return {name: shape for name, shape in names.items() if name.startswith("backbone.body.")}


def torchvision_shapes(name):
    with torch.device("meta"):
        return {
            key: tuple(value.shape)
            for key, value in torchvision.models.get_model(name, weights=None).state_dict().items()
        }


def test_torchvision_s_resnext_fills_the_published_backbone_entry_by_entry(published_backbone):
    shapes = torchvision_shapes("resnext101_32x8d")
    met = {target_name(name, published_backbone): shape for name, shape in shapes.items()}
    unused = met.pop(None)
    assert unused is not None
    assert {name: list(shape) for name, shape in met.items()} == published_backbone


def test_torchvision_s_vgg_fills_the_convolutions():
    convolutions = {f"backbone.body.conv_body.{i}.{kind}": () for i in (0, 2, 5, 28) for kind in ("weight", "bias")}
    met = {target_name(name, convolutions) for name in torchvision_shapes("vgg16")}
    assert met == {*convolutions, None}


def detectron_blobs(blocks=(3, 4, 23, 3)):
    """
    Blob names and what they are, as Detectron's ResNet builder names them, from (blob, published) pairs written out by
    loops.
    """
    yield "conv1_w", "stem.conv1.weight"
    yield "res_conv1_bn_s", "stem.bn1.weight"
    yield "res_conv1_bn_b", "stem.bn1.bias"
    for stage, count in enumerate(blocks, start=2):
        for block in range(count):
            here, there = f"res{stage}_{block}_branch", f"layer{stage - 1}.{block}."
            parts = [("2a", "conv1", "bn1"), ("2b", "conv2", "bn2"), ("2c", "conv3", "bn3")]
            parts += [("1", "downsample.0", "downsample.1")] if block == 0 else []
            for branch, convolution, norm in parts:
                yield f"{here}{branch}_w", f"{there}{convolution}.weight"
                yield f"{here}{branch}_bn_s", f"{there}{norm}.weight"
                yield f"{here}{branch}_bn_b", f"{there}{norm}.bias"


def test_detectron_s_blobs_fill_all_but_the_running_statistics(published_backbone):
    met = {blob: target_name(blob, published_backbone) for blob, _ in detectron_blobs()}
    assert met == {blob: f"backbone.body.{name}" for blob, name in detectron_blobs()}
    left = published_backbone.keys() - met.values()
    assert left == {name for name in published_backbone if name.endswith(("running_mean", "running_var"))}


def test_detectron_s_norms_leave_mean_0_and_variance_1():
    model = NamedModule(
        {f"backbone.body.stem.bn1.{kind}": (2,) for kind in ("weight", "bias", "running_mean", "running_var")}
    )
    model.get_buffer("backbone.body.stem.bn1.running_var").fill_(1)
    others = {"fc1000_w": torch.ones(2), "res2_0_branch2a_b": torch.ones(2)}
    report = load_weights(model, {"res_conv1_bn_s": torch.tensor([3.0, 4.0]), **others})
    bn = model.backbone.body.stem.bn1
    assert bn.weight.tolist() == [3, 4]
    assert (bn.running_mean.tolist(), bn.running_var.tolist()) == ([0, 0], [1, 1])
    assert report.unused == ["fc1000_w", "res2_0_branch2a_b"]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("conv_stem.weight", "backbone.body.net.conv_stem.weight"),
        ("blocks.0.1.conv.weight", "backbone.body.net.blocks.0.1.conv.weight"),
        ("stages.0.blocks.weight", "backbone.body.net.stages_0.blocks.weight"),
        ("layer4.0.conv1.weight", "roi_heads.box.feature_extractor.head.layer4.0.conv1.weight"),
        ("backbone.body.stem.conv1.weight", None),
        ("classifier.weight", None),
    ],
)
def test_other_backbones_meet_by_rule_and_prefixed_names_only_as_they_are(name, target):
    targets = {"stem.conv1.weight", target}
    assert target_name(name, targets) == target


TARGETS = {"backbone.body.stem.conv1.weight", "backbone.body.layer1.0.conv1.weight", "backbone.x", "rpn.x"}


@pytest.mark.parametrize(
    ("names", "backbone", "detector", "relation"),
    [
        (["conv1.weight", "layer1.0.conv1.weight", "fc.weight"], True, False, False),
        (["conv1_w"], True, False, False),
        (["backbone.x", "backbone.fpn.fpn_inner1.weight"], True, False, False),
        (["unknown.weight", "other.weight"], False, False, False),
        (["backbone.x", "some.head.weight", "some.other.weight"], False, False, False),
        (["backbone.x", "rpn.head.conv.weight"], False, False, False),
        (["backbone.x", "rpn.x", "roi_heads.box.x"], False, True, False),
        (["backbone.x", "rpn.x", "roi_heads.box.x", "roi_heads.relation.x"], False, True, True),
    ],
)
def test_names_tell_a_backbone_from_a_detector_and_a_relation_model(names, backbone, detector, relation):
    assert (holds_backbone_only(names, TARGETS), holds_detector(names), holds_relation(names)) == (
        backbone,
        detector,
        relation,
    )


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (["module.module.backbone.x"], ["backbone.x"]),
        (["_orig_mod.backbone.x", "_orig_mod.rpn.x"], ["backbone.x", "rpn.x"]),
        (["module._orig_mod.backbone._orig_mod.x"], ["backbone.x"]),
        (["model.module.backbone.x", "criterion.weight"], ["backbone.x", "criterion.weight"]),
        (["net.student.roi_heads.box.x"], ["roi_heads.box.x"]),
        (["model.conv1.weight", "model.fc.weight"], ["conv1.weight", "fc.weight"]),
        (["model.conv1.weight", "conv1.weight"], ["model.conv1.weight", "conv1.weight"]),
        (["backbone.x", "ema.backbone.x"], ["backbone.x", "ema.backbone.x"]),
        (["roi_heads.relation.backbone.x", "my_orig_mod.x"], ["roi_heads.relation.backbone.x", "my_orig_mod.x"]),
    ],
)
def test_what_programs_put_before_names_is_taken_off(names, plain):
    assert list(plain_names(names).values()) == plain


def test_one_name_under_two_prefixes_is_no_choice_to_make_in_silence():
    with pytest.raises(ValueError, match="both student.backbone.x and teacher.backbone.x"):
        plain_names(["student.backbone.x", "teacher.backbone.x"])


def test_a_summary_groups_names_and_counts_the_groups_it_leaves_out():
    names = [f"backbone.body.layer1.{i}.conv" for i in range(3)] + ["rpn.head.conv.weight", "a", "b"]
    assert summarise(names, 2) == "backbone.body.layer1.* (3), a and 2 groups more"
    assert summarise([]) == ""
