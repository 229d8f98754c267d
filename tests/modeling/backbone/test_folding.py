"""
A backbone without gradient runs as its folded copy: the same maps, of the weights as they are now, under the same
names.
"""

import copy
import pickle

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.modeling.backbone import build_backbone
from maskrcnn_benchmark.modeling.backbone import frozen as frozen_module

KEYS = [
    "MODEL.RESNETS.RES2_OUT_CHANNELS", 16, "MODEL.RESNETS.STEM_OUT_CHANNELS", 8, "MODEL.RESNETS.WIDTH_PER_GROUP", 4,
    "MODEL.RESNETS.BACKBONE_OUT_CHANNELS", 8, "MODEL.BACKBONE.FREEZE_CONV_BODY_AT", 0,
]  # fmt: skip
SMALL = ["R-18-FPN", "R-50-FPN", "R-50-C4"]
ALL = [*SMALL, "VGG-16", "timm/tf_efficientnet_lite0-FPN", "timm/resnet18-FPN"]


def build(name, seed=0, freeze=True, words=()):
    """A backbone with weights, norms included, that are neither 0 nor 1, so that maps stay of moderate size."""
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    torch.manual_seed(seed)
    backbone = build_backbone(
        load_config(None, [*KEYS, "MODEL.BACKBONE.CONV_BODY", name, "MODEL.DEVICE", "cpu", *words])
    ).eval()
    for key, values in backbone.state_dict().items():
        if key.endswith("running_var"):
            values.uniform_(0.5, 1.5)
            owner = backbone.get_submodule(key.rpartition(".")[0])
            owner.running_mean.normal_(std=0.1)
            owner.weight.data.uniform_(0.4, 0.9)
            owner.bias.data.normal_(std=0.1)
    return backbone.requires_grad_(not freeze)


def image(batch=2, seed=1):
    return torch.randn(batch, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def assert_close(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert not a.requires_grad
        torch.testing.assert_close(a, b.detach(), rtol=1e-4, atol=1e-5 * float(b.detach().abs().max().clamp(min=1)))


@pytest.fixture
def folds(monkeypatch):
    """The number of copies made so far, one entry each."""
    made = []

    def fold(backbone, dtype):
        made.append(dtype)
        return fold_backbone(backbone, dtype)

    fold_backbone = frozen_module.fold_backbone
    monkeypatch.setattr(frozen_module, "fold_backbone", fold)
    return made


@pytest.mark.parametrize("name", ALL)
def test_the_copy_gives_the_backbones_maps(name, folds):
    backbone = build(name)
    maps = backbone.maps(image())
    assert all(0.01 < float(each.abs().max()) < 1e4 for each in maps), "weights of the test give no maps to compare"
    assert_close(backbone(image()), maps)
    assert_close(backbone(image(1, seed=2)), backbone.maps(image(1, seed=2)))
    assert folds == [torch.float32], "one copy serves every image"
    assert backbone.folded._folded is not None


@pytest.mark.parametrize("name", ["R-50-FPN", "timm/tf_efficientnet_lite0-FPN"])
def test_no_norm_is_left_in_the_copy(name):
    backbone = build(name)
    backbone(image())
    kinds = {type(module).__name__ for module in backbone.folded._folded.modules()}
    assert "FoldedConv" in kinds and not {kind for kind in kinds if "Norm" in kind}


@pytest.mark.parametrize("name", ["R-18-FPN", "timm/resnet18-FPN"])
def test_weights_that_are_loaded_later_are_used(name):
    backbone, other = build(name), build(name, seed=5)
    before = backbone(image())
    backbone.load_state_dict(other.state_dict())
    assert_close(backbone(image()), other.maps(image()))
    assert not torch.allclose(backbone(image())[0], before[0], atol=1e-3)


def change_in_place(values):
    with torch.no_grad():
        values.mul_(1.5)


def change_data(values):
    values.data.mul_(1.5)


def change_by_numpy(values):
    array = values.detach().numpy()
    array *= np.float32(1.5)


def change_one_value(values):
    values.data.view(-1)[-1] -= 5


@pytest.mark.parametrize("change", [change_in_place, change_data, change_by_numpy, change_one_value])
@pytest.mark.parametrize(
    "key", ["body.stem.conv1.weight", "body.layer2.0.bn1.running_mean", "body.layer1.0.bn2.weight"]
)
def test_any_write_is_seen(key, change):
    backbone = build("R-18-FPN")
    before = backbone(image())
    change(backbone.state_dict()[key])
    found = backbone(image())
    assert_close(found, backbone.maps(image()))
    assert not torch.equal(found[0], before[0])


def test_a_parameter_that_is_replaced_is_seen():
    backbone = build("R-18-FPN")
    backbone(image())
    backbone.fpn.fpn_inner1.weight = torch.nn.Parameter(
        2 * backbone.fpn.fpn_inner1.weight.detach(), requires_grad=False
    )
    assert_close(backbone(image()), backbone.maps(image()))


def test_names_and_values_stay(folds):
    backbone = build("R-18-FPN")
    before = {key: values.clone() for key, values in backbone.state_dict().items()}
    modules = [name for name, _ in backbone.named_modules()]
    backbone(image())
    assert folds and [name for name, _ in backbone.named_modules()] == modules
    assert list(backbone.state_dict()) == list(before)
    assert all(torch.equal(values, before[key]) for key, values in backbone.state_dict().items())


def pickled(backbone):
    return pickle.loads(pickle.dumps(backbone))  # noqa: S301


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
def test_a_copy_of_the_model_has_its_own(duplicate):
    backbone = build("R-18-FPN")
    backbone(image())
    twin = duplicate(backbone)
    assert twin.folded is not backbone.folded and twin.folded._folded is None
    change_in_place(twin.body.stem.conv1.weight)
    assert_close(twin(image()), twin.maps(image()))
    assert_close(backbone(image()), backbone.maps(image()))


# -- when it is not used -----------------------------------------------------------------------------------------------


def test_gradients_come_from_the_backbone_as_it_is(folds):
    backbone = build("R-18-FPN", freeze=False).train()
    maps = backbone(image())
    assert not folds and maps[0].requires_grad
    sum(each.sum() for each in maps).backward()
    assert backbone.body.layer2[0].conv1.weight.grad.abs().sum() > 0


def test_gradients_of_the_image_come_too(folds):
    x = image().requires_grad_()
    build("R-18-FPN")(x)[0].sum().backward()
    assert not folds and x.grad.abs().sum() > 0


def test_a_partly_trained_backbone_is_not_folded_in_training(folds):
    backbone = build("R-18-FPN")
    backbone.fpn.fpn_layer1.weight.requires_grad_(True)
    assert backbone(image())[0].requires_grad and not folds


def test_training_mode_without_gradient_is_not_folded_where_parameters_learn(folds):
    backbone = build("R-18-FPN", freeze=False).train()
    with torch.no_grad():
        backbone(image())
        assert not folds
        backbone.eval()(image())
    assert folds


def test_it_can_be_switched_off(folds):
    backbone = build("R-18-FPN")
    backbone.folds = False
    assert torch.equal(backbone(image())[0], backbone.maps(image())[0]) and not folds


def test_training_steps_between_evaluations_are_seen():
    backbone = build("R-18-FPN", freeze=False)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=1e-3)
    for _ in range(2):
        backbone.train()
        optimizer.zero_grad()
        backbone(image())[0].square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            assert_close(backbone.eval()(image()), backbone.maps(image()))


def test_bfloat16_of_autocast_works_in_bfloat16(folds):
    backbone = build("R-18-FPN")
    with torch.autocast("cpu", torch.bfloat16):
        found = backbone(image())
    assert folds == [torch.bfloat16] and found[0].dtype == torch.bfloat16
    expected = backbone.maps(image())
    for a, b in zip(found, expected, strict=True):
        assert float((a.float() - b).abs().mean() / b.abs().mean()) < 0.05


@pytest.mark.parametrize("words", [[], ["MODEL.RESNETS.WITH_MODULATED_DCN", True]])
def test_deformable_convolutions_work_under_autocast(words):
    backbone = build("R-50-FPN", words=["MODEL.RESNETS.STAGE_WITH_DCN", (False, False, False, True), *words])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = backbone(image())
        assert all(torch.equal(a, b) for a, b in zip(found, backbone.maps(image()), strict=True))
    for a, b in zip(found, backbone.maps(image()), strict=True):
        assert float((a.float() - b).abs().mean() / b.abs().mean()) < 0.05


def test_parts_of_another_type_than_autocasts_keep_a_backbone_as_it_is_written():
    backbone = build("timm/convnext_atto-FPN")  # linear layers and norms between its convolutions
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(backbone(image()), backbone.maps(image()), strict=True))
    assert backbone.folded._folded is None


def test_a_backbone_that_cannot_be_followed_runs_as_it_is_written(monkeypatch):
    backbone = build("R-18-FPN")

    class Choosing(torch.nn.Module):
        def __init__(self, stem):
            super().__init__()
            self.stem = stem

        def forward(self, x):
            return self.stem(x if x.sum() > 0 else -x)

    monkeypatch.setattr(backbone.body, "stem", Choosing(backbone.body.stem))
    torch.testing.assert_close(backbone(image()), backbone.maps(image()))
    assert backbone.folded._folded is None
