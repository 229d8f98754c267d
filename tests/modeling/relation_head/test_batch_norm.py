"""Batch norm with few rows, and over two processes."""

import pytest
import torch
from torch import nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head import batch_norm
from maskrcnn_benchmark.modeling.roi_heads.relation_head.batch_norm import BatchNorm1d, BatchNorm2d


@pytest.mark.parametrize("rows", [0, 1])
def test_with_one_row_or_none_the_running_statistics_serve_and_stay(rows):
    norm = BatchNorm1d(3).train()
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(4.0)
    x = torch.rand(rows, 3)
    torch.testing.assert_close(norm(x), (x - 2) / (4 + norm.eps) ** 0.5)
    assert norm.running_mean.eq(2).all() and norm.num_batches_tracked == 0


@pytest.mark.parametrize(
    "ours, theirs, shape", [(BatchNorm1d, nn.BatchNorm1d, (5, 3)), (BatchNorm2d, nn.BatchNorm2d, (1, 3, 4, 4))]
)
def test_otherwise_it_is_torchs(ours, theirs, shape):
    a, b, x = ours(3, momentum=0.01), theirs(3, momentum=0.01), torch.rand(shape)
    torch.testing.assert_close(a(x), b(x))
    torch.testing.assert_close(a.running_var, b.running_var)
    torch.testing.assert_close(a.eval()(x), b.eval()(x))
    assert a.state_dict().keys() == b.state_dict().keys()


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 2, 2)])
@pytest.mark.parametrize("first", [0, 1, 4])
def test_two_processes_normalise_as_one_with_all_rows(monkeypatch, shape, first):
    """Both processes run in lockstep here: reductions wait for the other's tensor."""
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).float()
    whole = (BatchNorm1d if len(shape) == 2 else BatchNorm2d)(3).train()
    expected = whole(x)

    norm = type(whole)(3).train()
    n = x.numel() / 3
    dims = [d for d in range(x.dim()) if d != 1]
    answers = iter([torch.tensor(n), x.sum(dims), (x - x.mean(dims, keepdim=True)).square().sum(dims)])
    monkeypatch.setattr(batch_norm, "world_size", lambda: 2)
    monkeypatch.setattr(batch_norm, "all_reduce_sum", lambda _: next(answers))
    monkeypatch.setattr(batch_norm, "all_reduce_sum_autograd", lambda _: next(answers))
    torch.testing.assert_close(norm(x[:first]), expected[:first], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, whole.running_var)
    torch.testing.assert_close(norm.running_mean, whole.running_mean)
