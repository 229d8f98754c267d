"""ROIPool against torchvision's, and at the edges of its inputs."""

import pytest
import torch
import torchvision

from maskrcnn_benchmark.layers import roi_pool
from tests.layers.cases import DEVICES, both_forms, random_rois


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [7, (1, 1), (3, 6)])
@pytest.mark.parametrize("channels", [1, 16, 37])
def test_agrees_with_torchvision(device, dtype, size, channels):
    # Coarse values: many ties, so that the choice of the largest cell shows in the gradient.
    features = torch.randint(0, 5, (2, channels, 40, 50)).to(dtype).requires_grad_()
    rois = random_rois(30, images=2, side=160, dtype=dtype)
    want = torchvision.ops.roi_pool(features, rois, size, 0.25)
    have = roi_pool(features.to(device), rois.to(device), size, 0.25)
    assert torch.equal(have.cpu(), want)
    incoming = torch.randn_like(want)
    (want,) = torch.autograd.grad(want, features, incoming)
    (have,) = torch.autograd.grad(have, features, incoming.to(device))
    torch.testing.assert_close(have, want, rtol=0, atol=1e-5)


@both_forms
def test_gradient_by_finite_differences():
    features = torch.randperm(2 * 3 * 42).double().reshape(2, 3, 6, 7).requires_grad_()
    rois = random_rois(4, images=2, side=12, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: roi_pool(f, rois, (2, 3), 0.5), [features])


@both_forms
def test_memory_format_does_not_matter():
    features, rois = torch.randn(2, 24, 40, 50), random_rois(10, images=2)
    want = roi_pool(features, rois, 7, 0.25)
    for other in (
        features.to(memory_format=torch.channels_last),
        torch.randn(2, 48, 40, 100)[:, ::2, :, ::2].copy_(features),
    ):
        assert torch.equal(roi_pool(other, rois, 7, 0.25), want)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_nothing(device, dtype):
    features, rois = torch.randn(1, 8, 20, 20, device=device).to(dtype), random_rois(10, 1, side=60).to(device)
    have = roi_pool(features, rois, 7, 0.25)
    assert have.dtype == dtype
    assert torch.equal(have.float(), roi_pool(features.float(), rois, 7, 0.25))


@both_forms
@pytest.mark.parametrize("device", DEVICES)
def test_edges(device):
    features = torch.randn(2, 6, 10, 10, device=device) - 10  # all below 0
    assert roi_pool(features, torch.zeros(0, 5, device=device), 7, 0.25).shape == (0, 6, 7, 7)
    far = torch.tensor([[0, 500, 500, 600, 600], [1, -600, -600, -500, -500.0]], device=device)
    assert not roi_pool(features, far, 7, 0.25).any()


def test_compiles_whole():
    features, rois = torch.randn(2, 6, 20, 20, requires_grad=True), random_rois(5, images=2, side=60)
    compiled = torch.compile(lambda f: roi_pool(f, rois, 3, 0.25), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(features), roi_pool(features, rois, 3, 0.25))
    assert torch.autograd.grad(compiled(features).sum(), features)[0].any()


@pytest.mark.parametrize(
    ("features", "rois", "size", "match"),
    [
        (torch.zeros(3, 4, 4), torch.zeros(1, 5), 7, r"\(B, C, H, W\), got \(3, 4, 4\)"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 4), 7, r"got \(1, 4\)"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 5), (7, 0), "positive"),
    ],
)
def test_wrong_input_is_named(features, rois, size, match):
    with pytest.raises(ValueError, match=match):
        roi_pool(features, rois, size, 0.25)


def test_an_image_that_does_not_exist_is_named():
    with pytest.raises(IndexError, match="names image 1"):
        roi_pool(torch.zeros(1, 3, 4, 4), torch.tensor([[1.0, 0, 0, 5, 5]]), 7, 0.5)
