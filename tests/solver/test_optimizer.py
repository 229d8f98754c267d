"""Which parameter learns how fast."""

import pytest
import torch
from torch import nn

from maskrcnn_benchmark.solver.optimizer import ParameterRule, parameter_groups


def toy():
    model = nn.Module()
    model.body = nn.Linear(3, 3)
    model.head = nn.Module()
    model.head.slow = nn.Linear(3, 2)
    model.head.bias_like_gate = nn.Parameter(torch.zeros(2))
    model.body.weight.requires_grad_(False)
    return model


def settings(model, rule):
    return {name: (g["lr"], g["weight_decay"]) for g in parameter_groups(model, rule) for name in g["names"]}


def test_biases_have_their_own_rate_and_decay():
    rule = ParameterRule(rate=0.08, decay=1e-4, bias_factor=2, bias_decay=3e-4)
    assert settings(toy(), rule) == {
        "body.bias": (0.16, 3e-4),
        "head.slow.weight": (0.08, 1e-4),
        "head.slow.bias": (0.16, 3e-4),
        "head.bias_like_gate": (0.16, 3e-4),
    }


def test_slow_modules_learn_ten_times_slower():
    rule = ParameterRule(rate=0.08, decay=1e-4, bias_factor=2, slow_modules={"head.slow": 10.0})
    have = settings(toy(), rule)
    assert have["head.slow.weight"][0] == pytest.approx(0.008) and have["head.slow.bias"][0] == pytest.approx(0.016)
    assert have["head.bias_like_gate"][0] == pytest.approx(0.16)


def test_groups_update_as_one_group_a_parameter_would():
    torch.manual_seed(0)
    model, twin = toy(), toy()
    twin.load_state_dict(model.state_dict())
    rule = ParameterRule(rate=0.1, decay=1e-2, bias_factor=2, slow_modules={"head.slow": 10.0})
    grouped = torch.optim.SGD(parameter_groups(model, rule), momentum=0.9)
    single = torch.optim.SGD(
        [
            dict(zip(("params", "lr", "weight_decay"), ([p], *rule(n)), strict=True))
            for n, p in twin.named_parameters()
            if p.requires_grad
        ],
        momentum=0.9,
    )
    for step in range(3):
        for m, opt in ((model, grouped), (twin, single)):
            for i, p in enumerate(m.parameters()):
                p.grad = torch.full_like(p, 0.1 * (i + step))
            opt.step()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
