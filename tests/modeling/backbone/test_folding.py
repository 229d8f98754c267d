"""A trunk without gradient runs as its folded copy: the same maps, of the weights as they are now, under the same names."""

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


def build(name, seed=0, freeze=True):
    """A trunk with weights, norms included, that are neither 0 nor 1, so that maps stay of moderate size."""
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    torch.manual_seed(seed)
    trunk = build_backbone(load_config(None, [*KEYS, "MODEL.BACKBONE.CONV_BODY", name, "MODEL.DEVICE", "cpu"])).eval()
    for key, values in trunk.state_dict().items():
        if key.endswith("running_var"):
            values.uniform_(0.5, 1.5)
            owner = trunk.get_submodule(key.rpartition(".")[0])
            owner.running_mean.normal_(std=0.1)
            owner.weight.data.uniform_(0.4, 0.9)
            owner.bias.data.normal_(std=0.1)
    return trunk.requires_grad_(not freeze)


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

    def fold(trunk, dtype):
        made.append(dtype)
        return fold_trunk(trunk, dtype)

    fold_trunk = frozen_module.fold_trunk
    monkeypatch.setattr(frozen_module, "fold_trunk", fold)
    return made


@pytest.mark.parametrize("name", ALL)
def test_the_copy_gives_the_trunks_maps(name, folds):
    trunk = build(name)
    maps = trunk.maps(image())
    assert all(0.01 < float(each.abs().max()) < 1e4 for each in maps), "weights of the test give no maps to compare"
    assert_close(trunk(image()), maps)
    assert_close(trunk(image(1, seed=2)), trunk.maps(image(1, seed=2)))
    assert folds == [torch.float32], "one copy serves every image"
    assert trunk.folded._folded is not None


@pytest.mark.parametrize("name", ["R-50-FPN", "timm/tf_efficientnet_lite0-FPN"])
def test_no_norm_is_left_in_the_copy(name):
    trunk = build(name)
    trunk(image())
    kinds = {type(module).__name__ for module in trunk.folded._folded.modules()}
    assert "FoldedConv" in kinds and not {kind for kind in kinds if "Norm" in kind}


@pytest.mark.parametrize("name", ["R-18-FPN", "timm/resnet18-FPN"])
def test_weights_that_are_loaded_later_are_used(name):
    trunk, other = build(name), build(name, seed=5)
    before = trunk(image())
    trunk.load_state_dict(other.state_dict())
    assert_close(trunk(image()), other.maps(image()))
    assert not torch.allclose(trunk(image())[0], before[0], atol=1e-3)


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
@pytest.mark.parametrize("key", ["body.stem.conv1.weight", "body.layer2.0.bn1.running_mean", "body.layer1.0.bn2.weight"])
def test_any_write_is_seen(key, change):
    trunk = build("R-18-FPN")
    before = trunk(image())
    change(trunk.state_dict()[key])
    found = trunk(image())
    assert_close(found, trunk.maps(image()))
    assert not torch.equal(found[0], before[0])


def test_a_parameter_that_is_replaced_is_seen():
    trunk = build("R-18-FPN")
    trunk(image())
    trunk.fpn.fpn_inner1.weight = torch.nn.Parameter(2 * trunk.fpn.fpn_inner1.weight.detach(), requires_grad=False)
    assert_close(trunk(image()), trunk.maps(image()))


def test_names_and_values_stay(folds):
    trunk = build("R-18-FPN")
    before = {key: values.clone() for key, values in trunk.state_dict().items()}
    modules = [name for name, _ in trunk.named_modules()]
    trunk(image())
    assert folds and [name for name, _ in trunk.named_modules()] == modules
    assert list(trunk.state_dict()) == list(before)
    assert all(torch.equal(values, before[key]) for key, values in trunk.state_dict().items())


def pickled(trunk):
    return pickle.loads(pickle.dumps(trunk))  # noqa: S301


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
def test_a_copy_of_the_model_has_its_own(duplicate):
    trunk = build("R-18-FPN")
    trunk(image())
    twin = duplicate(trunk)
    assert twin.folded is not trunk.folded and twin.folded._folded is None
    change_in_place(twin.body.stem.conv1.weight)
    assert_close(twin(image()), twin.maps(image()))
    assert_close(trunk(image()), trunk.maps(image()))


# -- when it is not used ---------------------------------------------------------------------------------------------------------------


def test_gradients_come_from_the_trunk_as_it_is(folds):
    trunk = build("R-18-FPN", freeze=False).train()
    maps = trunk(image())
    assert not folds and maps[0].requires_grad
    sum(each.sum() for each in maps).backward()
    assert trunk.body.layer2[0].conv1.weight.grad.abs().sum() > 0


def test_gradients_of_the_image_come_too(folds):
    x = image().requires_grad_()
    build("R-18-FPN")(x)[0].sum().backward()
    assert not folds and x.grad.abs().sum() > 0


def test_a_partly_trained_trunk_is_not_folded_in_training(folds):
    trunk = build("R-18-FPN")
    trunk.fpn.fpn_layer1.weight.requires_grad_(True)
    assert trunk(image())[0].requires_grad and not folds


def test_training_mode_without_gradient_is_not_folded_where_parameters_learn(folds):
    trunk = build("R-18-FPN", freeze=False).train()
    with torch.no_grad():
        trunk(image())
        assert not folds
        trunk.eval()(image())
    assert folds


def test_it_can_be_switched_off(folds):
    trunk = build("R-18-FPN")
    trunk.folds = False
    assert torch.equal(trunk(image())[0], trunk.maps(image())[0]) and not folds


def test_training_steps_between_evaluations_are_seen():
    trunk = build("R-18-FPN", freeze=False)
    optimizer = torch.optim.SGD(trunk.parameters(), lr=1e-3)
    for _ in range(2):
        trunk.train()
        optimizer.zero_grad()
        trunk(image())[0].square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            assert_close(trunk.eval()(image()), trunk.maps(image()))


def test_bfloat16_of_autocast_works_in_bfloat16(folds):
    trunk = build("R-18-FPN")
    with torch.autocast("cpu", torch.bfloat16):
        found = trunk(image())
    assert folds == [torch.bfloat16] and found[0].dtype == torch.bfloat16
    expected = trunk.maps(image())
    for a, b in zip(found, expected, strict=True):
        assert float((a.float() - b).abs().mean() / b.abs().mean()) < 0.05


def test_a_trunk_that_cannot_be_followed_runs_as_it_is_written(monkeypatch):
    trunk = build("R-18-FPN")

    class Choosing(torch.nn.Module):
        def __init__(self, stem):
            super().__init__()
            self.stem = stem

        def forward(self, x):
            return self.stem(x if x.sum() > 0 else -x)

    monkeypatch.setattr(trunk.body, "stem", Choosing(trunk.body.stem))
    torch.testing.assert_close(trunk(image()), trunk.maps(image()))
    assert trunk.folded._folded is None
