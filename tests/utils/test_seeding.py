"""Random numbers that depend on what is drawn."""

import random

import numpy as np
import torch

from maskrcnn_benchmark.utils.seeding import mix, numpy_generator, seed_everything, torch_generator


def test_the_same_tuple_gives_the_same_draws_and_neighbours_others():
    tuples = [(1, 2), (2, 1), (12,), (1, 2, 0), (1, 3)]
    for generator, draw in (
        (torch_generator, lambda g: torch.rand(3, generator=g).tolist()),
        (numpy_generator, lambda g: g.random(3).tolist()),
    ):
        draws = [draw(generator(*numbers)) for numbers in tuples]
        assert draws == [draw(generator(*numbers)) for numbers in tuples]
        assert len({tuple(d) for d in draws}) == len(tuples)


def test_the_mixture_is_the_same_on_every_machine_and_fits_a_seed():
    assert mix(19991001, 0, 7) == mix(np.int64(19991001), torch.tensor(0).item(), 7)
    assert all(0 <= mix(i, -i) < 2**63 for i in range(100))


def test_draws_of_consecutive_images_are_not_correlated():
    draws = torch.stack([torch.rand(64, generator=torch_generator(5, image)) for image in range(200)])
    correlation = torch.corrcoef(draws)
    assert (correlation - torch.eye(200)).abs().max() < 0.6  # 19,900 pairs of 64 draws: 4.5 deviations of 1/8
    assert abs(draws.mean() - 0.5) < 0.02


def test_everything_is_seeded():
    def draws():
        seed_everything(19991001)
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert draws() == draws()
