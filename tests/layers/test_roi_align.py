"""ROIAlign against torchvision's, by finite differences, and at the edges of its inputs."""

import pytest
import torch
import torchvision

from maskrcnn_benchmark.layers import roi_align, roi_align_levels
from tests.layers.cases import DEVICES, both_forms, random_rois

SCALES = [0.5, 0.25, 0.125]


def pyramid(channels=5, images=2, dtype=torch.float32, device="cpu"):
    return [torch.randn(images, channels, *size, dtype=dtype, device=device) for size in [(50, 61), (25, 31), (13, 16)]]


def oracle(features, rois, size, scale, ratio):
    return torchvision.ops.roi_align(features, rois, size, scale, ratio, aligned=False)


def from_own_level(maps, rois, levels, ratio):
    pooled = [oracle(maps[level], rois[k : k + 1], 7, SCALES[level], ratio) for k, level in enumerate(levels.tolist())]
    return torch.cat(pooled)


def from_all_levels(maps, rois, ratio):
    return torch.cat([oracle(level, rois, 7, scale, ratio) for level, scale in zip(maps, SCALES, strict=True)], dim=1)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [7, (1, 1), (3, 6)])
@pytest.mark.parametrize("channels", [1, 16, 37])
def test_agrees_with_torchvision(device, dtype, ratio, size, channels):
    features, rois = torch.randn(2, channels, 40, 50, dtype=dtype), random_rois(30, images=2, side=160, dtype=dtype)
    want = oracle(features, rois, size, 0.25, ratio)
    have = roi_align(features.to(device), rois.to(device), size, 0.25, ratio)
    torch.testing.assert_close(have.cpu(), want, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ratio", [0, 2])
def test_gradient_agrees_with_torchvision(device, ratio):
    features, rois = torch.randn(2, 21, 40, 50, requires_grad=True), random_rois(30, images=2, side=160)
    out = oracle(features, rois, 7, 0.25, ratio)
    incoming = torch.randn_like(out)
    (want,) = torch.autograd.grad(out, features, incoming)
    (have,) = torch.autograd.grad(
        roi_align(features.to(device), rois.to(device), 7, 0.25, ratio), features, incoming.to(device)
    )
    torch.testing.assert_close(have, want, rtol=0, atol=1e-4)


@both_forms
def test_gradients_by_finite_differences():
    maps = [level[:, :2, :5, :6].contiguous().requires_grad_() for level in pyramid(dtype=torch.float64)]
    rois, levels = random_rois(4, images=2, side=12, dtype=torch.float64), torch.tensor([0, 2, 1, 0])
    assert torch.autograd.gradcheck(lambda *m: roi_align_levels(m, rois, levels, (2, 3), SCALES, 2), maps)
    assert torch.autograd.gradcheck(lambda *m: roi_align_levels(m, rois, None, 2, SCALES, 0), maps)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ratio", [0, 2])
def test_levels_pool_each_roi_from_its_own_map(device, ratio):
    maps, rois, levels = pyramid(), random_rois(20, images=2), torch.arange(20) % 3
    want = from_own_level(maps, rois, levels, ratio)
    have = roi_align_levels([level.to(device) for level in maps], rois.to(device), levels.to(device), 7, SCALES, ratio)
    torch.testing.assert_close(have.cpu(), want, rtol=0, atol=1e-5)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
def test_all_levels_lie_side_by_side(device):
    maps, rois = pyramid(), random_rois(20, images=2)
    want = from_all_levels(maps, rois, 2)
    have = roi_align_levels([level.to(device) for level in maps], rois.to(device), None, 7, SCALES, 2)
    torch.testing.assert_close(have.cpu(), want, rtol=0, atol=1e-5)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
def test_gradients_of_levels_agree_with_torchvision(device):
    maps, rois, levels = (
        [level.requires_grad_() for level in pyramid()],
        random_rois(20, images=2),
        torch.arange(20) % 3,
    )
    moved = [level.to(device) for level in maps]
    rois_there = rois.to(device)
    for have, want in [
        (roi_align_levels(moved, rois_there, None, 7, SCALES, 2), from_all_levels(maps, rois, 2)),
        (roi_align_levels(moved, rois_there, levels.to(device), 7, SCALES, 2), from_own_level(maps, rois, levels, 2)),
    ]:
        incoming = torch.randn_like(want)
        wanted = torch.autograd.grad(want, maps, incoming)
        for a, b in zip(torch.autograd.grad(have, maps, incoming.to(device)), wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


@both_forms
def test_memory_format_does_not_matter():
    features, rois = torch.randn(2, 24, 40, 50), random_rois(10, images=2)
    want = roi_align(features, rois, 7, 0.25, 2)
    strided = torch.randn(2, 48, 40, 100)[:, ::2, :, ::2].copy_(features)
    for other in (
        features.to(memory_format=torch.channels_last),
        strided,
        features.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        assert torch.equal(roi_align(other, rois, 7, 0.25, 2), want)
    assert torch.equal(roi_align(features, torch.cat([rois, rois], 1)[:, :5], 7, 0.25, 2), want)
    grads = [
        torch.autograd.grad(roi_align(f, rois, 7, 0.25, 2).pow(2).sum(), f)[0]
        for f in (features.clone().requires_grad_(), features.to(memory_format=torch.channels_last).requires_grad_())
    ]
    assert torch.equal(*grads)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(device, dtype):
    features, rois = (
        torch.randn(1, 8, 20, 20, device=device).to(dtype).requires_grad_(),
        random_rois(10, 1, side=60).to(device),
    )
    have = roi_align(features, rois, 7, 0.25, 2)
    exact = roi_align(features.detach().float(), rois, 7, 0.25, 2)
    assert have.dtype == dtype
    torch.testing.assert_close(have.float(), exact, rtol=torch.finfo(dtype).eps, atol=1e-3)
    (gradient,) = torch.autograd.grad(have.float().sum(), features)
    assert gradient.dtype == dtype


@both_forms
def test_float64_rois_on_float32_features():
    features, rois = torch.randn(1, 8, 20, 20), random_rois(10, 1, side=60)
    assert torch.equal(roi_align(features, rois.double(), 7, 0.25, 2), roi_align(features, rois, 7, 0.25, 2))


@both_forms
@pytest.mark.parametrize("device", DEVICES)
def test_nothing_in_nothing_out(device):
    features, none = torch.randn(2, 6, 10, 10, device=device, requires_grad=True), torch.zeros(0, 5, device=device)
    assert roi_align(features, none, 7, 0.25, 2).shape == (0, 6, 7, 7)
    assert roi_align_levels([features], none, none[:, 0].long(), 7, [0.25], 2).shape == (0, 6, 7, 7)
    out = roi_align_levels([features, features], none, None, 7, [0.25, 0.5], 2)
    assert out.shape == (0, 12, 7, 7)
    assert not torch.autograd.grad(out.sum(), features)[0].any()


@both_forms
@pytest.mark.parametrize("device", DEVICES)
def test_rois_outside_of_the_map_give_zeros(device):
    features = torch.randn(1, 3, 10, 10, device=device)
    far = torch.tensor(
        [[0, 500, 500, 600, 600], [0, -600, -600, -500, -500], [0, 500, -600, 600, -500.0]], device=device
    )
    assert not roi_align(features, far, 7, 0.25, 2).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rois_that_are_not_finite_give_zeros(value):
    features = torch.randn(1, 3, 10, 10)
    assert not roi_align(features, torch.tensor([[0, 1, 1, value, 20]]), 7, 0.25, 0).any()


def test_backward_is_the_same_on_every_run():
    features, rois = torch.randn(2, 33, 40, 50, requires_grad=True), random_rois(200, images=2, side=160)
    first, second = (
        torch.autograd.grad(roi_align(features, rois, 7, 0.25, 2).pow(2).sum(), features)[0] for _ in range(2)
    )
    assert torch.equal(first, second)


def test_the_number_of_threads_changes_no_bit():
    maps, rois = pyramid(channels=40), random_rois(60, images=2)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(roi_align_levels(maps, rois, None, 7, SCALES, 2))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_compiles_whole(form):
    features, rois = torch.randn(2, 6, 20, 20, requires_grad=True), random_rois(5, images=2, side=60)

    def pool(f):
        return roi_align_levels([f, f], rois, None, 3, [0.25, 0.5], 2).relu()

    if form == "torch":
        pytest.skip("torchvision's own business")
    compiled = torch.compile(pool, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(features), pool(features))
    have, want = (torch.autograd.grad(f(features).sum(), features)[0] for f in (compiled, pool))
    assert torch.equal(have, want)


@pytest.mark.parametrize(
    ("features", "rois", "size", "match"),
    [
        (torch.zeros(3, 4, 4), torch.zeros(1, 5), 7, r"\(B, C, H, W\), got \(3, 4, 4\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 5), 7, "uint8"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 4), 7, r"got \(1, 4\)"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 5, dtype=torch.int64), 7, "int64"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 5), 0, r"positive, got \(0, 0\)"),
    ],
)
def test_wrong_input_is_named(features, rois, size, match):
    with pytest.raises(ValueError, match=match):
        roi_align(features, rois, size, 0.25, 2)


def test_wrong_pyramids_are_named():
    maps, rois = pyramid(), torch.zeros(2, 5)
    with pytest.raises(ValueError, match="3 maps and 2 scales"):
        roi_align_levels(maps, rois, None, 7, SCALES[:2], 2)
    with pytest.raises(ValueError, match="agree in batch, channels"):
        roi_align_levels([maps[0], maps[1][:, :1], maps[2]], rois, None, 7, SCALES, 2)
    with pytest.raises(ValueError, match=r"levels must be \(2,\) int64"):
        roi_align_levels(maps, rois, torch.zeros(3, dtype=torch.int64), 7, SCALES, 2)


def test_indices_that_do_not_exist_are_named():
    maps = pyramid()
    with pytest.raises(IndexError, match="names image 2"):
        roi_align(maps[0], torch.tensor([[2.0, 0, 0, 5, 5]]), 7, 0.5, 2)


@both_forms
@pytest.mark.parametrize("level", [3, -1])
def test_a_level_that_does_not_exist_is_named(level):
    with pytest.raises(IndexError, match=f"roi 1 names level {level} of 3"):
        roi_align_levels(pyramid(), torch.zeros(2, 5), torch.tensor([0, level]), 7, SCALES, 2)
