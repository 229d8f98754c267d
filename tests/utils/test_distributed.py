"""Sums and gathers over processes, in one process and in two."""

import os
import socket

import pytest
import torch
from torch import multiprocessing

from maskrcnn_benchmark.utils import distributed
from maskrcnn_benchmark.utils.errors import UserError


def test_a_single_process_is_its_own_group():
    assert (distributed.rank(), distributed.world_size(), distributed.is_main_process()) == (0, 1, True)
    assert distributed.setup_distributed("cpu") == torch.device("cpu")
    x = torch.ones(2, requires_grad=True)
    assert distributed.all_reduce_sum(x).tolist() == [1, 1]
    distributed.all_reduce_sum_autograd(x).sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert distributed.all_gather_objects("a") == ["a"]
    distributed.barrier()
    distributed.close()


@pytest.mark.gpu
def test_the_default_device_is_the_first_gpu():
    assert distributed.setup_distributed("cuda") == torch.device("cuda", 0)
    assert torch.cuda.current_device() == 0


@pytest.mark.gpu
def test_on_gpus_objects_travel_by_gloo_and_every_process_says_which_gpu_it_has(monkeypatch):
    joined = {}
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, **words: joined.update(words, backend=backend)
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert distributed.setup_distributed("cuda") == torch.device("cuda", 0)
    assert joined == {
        "backend": "cpu:gloo,cuda:nccl",
        "device_id": torch.device("cuda", 0),
        "timeout": distributed.TIMEOUT,
    }


@pytest.mark.gpu
def test_more_processes_than_gpus_are_one_line(monkeypatch):
    gpus = torch.cuda.device_count()
    monkeypatch.setenv("WORLD_SIZE", str(gpus + 1))
    monkeypatch.setenv("LOCAL_RANK", str(gpus))
    with pytest.raises(UserError, match=f"LOCAL_RANK {gpus} .*--nproc_per_node {gpus}"):
        distributed.setup_distributed("cuda")


def _worker(rank: int, port: int, folder: str) -> None:
    os.environ.update(
        RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    distributed.setup_distributed("cpu")
    x = torch.tensor([1.0 + rank, 2.0], requires_grad=True)
    total = distributed.all_reduce_sum_autograd(x)
    (total.square().sum() * (rank + 1)).backward()  # loss of a process: (rank + 1) * |sum x|^2
    found = {
        "rank": distributed.rank(),
        "main": distributed.is_main_process(),
        "plain": distributed.all_reduce_sum(x).tolist(),
        "kept": x.tolist(),
        "gradient": x.grad.tolist(),
        "objects": distributed.all_gather_objects({"from": rank}),
    }
    distributed.barrier()
    distributed.close()
    torch.save(found | {"after": distributed.world_size()}, f"{folder}/{rank}.pt")


def test_two_processes_sum_gather_and_share_gradients(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_worker, args=(port, str(tmp_path)), nprocs=2)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert (found["rank"], found["main"], found["after"]) == (rank, rank == 0, 1)
        assert found["plain"] == [3.0, 4.0]
        assert found["kept"] == [1.0 + rank, 2.0]
        # d/dx of (1 + 2) * |sum x|^2 = 3 * 2 * sum x, on both.
        assert found["gradient"] == [18.0, 24.0]
        assert found["objects"] == [{"from": 0}, {"from": 1}]
