"""Random numbers that depend on what is drawn (seed, epoch, image), never on the order of work."""

import hashlib
import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seeds the generators of Python, numpy and torch (CPU and every CUDA device)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def mix(*numbers: int) -> int:
    """A 63-bit number for a tuple of integers: the same on every machine, unrelated for neighbouring tuples."""
    text = ",".join(str(int(number)) for number in numbers)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def torch_generator(*numbers: int) -> torch.Generator:
    """A CPU generator seeded by a tuple of integers, such as (SEED, epoch, image)."""
    return torch.Generator().manual_seed(mix(*numbers))


def numpy_generator(*numbers: int) -> np.random.Generator:
    """A numpy generator seeded by a tuple of integers."""
    return np.random.default_rng(mix(*numbers))
