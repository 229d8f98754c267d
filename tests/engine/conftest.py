"""Fixtures of the engine's tests."""

import pytest
import torch

from .toys import ToyModel


@pytest.fixture
def toy_model():
    torch.manual_seed(3)
    return ToyModel()
