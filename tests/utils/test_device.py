"""Which device MODEL.DEVICE means."""

import pytest
import torch

from maskrcnn_benchmark.utils.device import resolve_device
from maskrcnn_benchmark.utils.errors import UserError


def test_the_cpu_is_the_cpu():
    assert resolve_device("cpu") == torch.device("cpu")


def test_a_word_that_is_no_device_says_what_is():
    with pytest.raises(UserError, match="cpu, cuda"):
        resolve_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_work_goes_on_on_the_cpu():
    assert resolve_device("cuda") == torch.device("cpu")


@pytest.mark.gpu
def test_a_gpu_that_does_not_exist_is_an_error():
    assert resolve_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(UserError, match="CUDA devices"):
        resolve_device(f"cuda:{torch.cuda.device_count()}")
