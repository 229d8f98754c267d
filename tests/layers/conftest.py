"""A seed, and the two forms of every op: compiled, and the torch form that stands in where nothing is built."""

import importlib

import pytest
import torch

from maskrcnn_benchmark.layers import _extension

MODULES = ("assignment", "boxes", "nms", "roi_align", "roi_pool")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(params=["compiled", "torch"])
def form(request, monkeypatch):
    """Runs the test with the compiled ops and without them."""
    if request.param == "compiled":
        if not _extension.BUILT:
            pytest.skip("the extension is not built")
        return request.param
    for name in MODULES:
        monkeypatch.setattr(
            importlib.import_module(f"maskrcnn_benchmark.layers.{name}"), "compiled", lambda *_, **__: False
        )
    return request.param
