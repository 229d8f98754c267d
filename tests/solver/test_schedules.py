"""The schedules against a definition written out in plain Python, in float64."""

import json

import pytest
import torch

from maskrcnn_benchmark.solver.schedules import WarmupMultiStepLR, WarmupReduceLROnPlateau

WARMUP = {"warmup_factor": 0.1, "warmup_iters": 5, "warmup_method": "linear"}


def optimizer(*rates):
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def plateau(opt=None, **changed):
    settings = {"factor": 0.5, "patience": 2, "threshold": 0.01, "cooldown": 1, "max_decays": 3, **WARMUP, **changed}
    return WarmupReduceLROnPlateau(opt or optimizer(1.0), **settings)


@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize("method", ["linear", "constant"])
def test_multi_step_rates_follow_the_formula(method, lead):
    opt = optimizer(0.4, 0.8)
    schedule = WarmupMultiStepLR(opt, milestones=(4, 8, 8), gamma=0.1, **{**WARMUP, "warmup_method": method}, lead=lead)
    for i in range(1, 15):
        t = i - 1 + lead
        warm = 1.0
        if t < 5:
            warm = 0.1 if method == "constant" else 0.1 * (5 - t) / 5 + t / 5
        factor = warm * 0.1 ** sum(m <= t for m in (4, 8, 8))
        assert schedule.set_iteration(i) == pytest.approx(0.4 * factor, rel=1e-12)
        assert [g["lr"] for g in opt.param_groups] == pytest.approx([0.4 * factor, 0.8 * factor], rel=1e-12)


def test_an_iteration_has_its_rate_whatever_came_before():
    schedule = WarmupMultiStepLR(optimizer(0.3), milestones=(7,), gamma=0.1, **WARMUP)
    straight = [schedule.set_iteration(i) for i in range(1, 12)]
    fresh = WarmupMultiStepLR(optimizer(0.3), milestones=(7,), gamma=0.1, **WARMUP)
    assert [fresh.set_iteration(i) for i in reversed(range(1, 12))] == straight[::-1]


def decays_after(results, **changed):
    schedule = plateau(**changed)
    counts = []
    for result in results:
        schedule.add_result(result)
        counts.append(schedule.decays)
    return counts


@pytest.mark.parametrize(
    "results, settings, decays",
    [
        # a first bad result under the cooldown of the start is not counted
        ([0.5, 0.5, 0.5, 0.5], {}, [0, 0, 1, 1]),
        ([0.5, 0.5, 0.5, 0.5, 0.5], {"cooldown": 0}, [0, 0, 1, 1, 2]),
        # better means more than the threshold above the best, absolute
        ([0.5, 0.51, 0.509, 0.52], {"cooldown": 0, "patience": 2}, [0, 0, 1, 1]),
        ([0.5, 0.511, 0.511, 0.53, 0.53, 0.53], {"cooldown": 0}, [0, 0, 0, 0, 0, 1]),
        # the best rises under the cooldown, though bad results do not count there
        ([0.5, 0.5, 0.5, 0.9, 0.8, 0.8], {}, [0, 0, 1, 1, 1, 2]),
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4], {"cooldown": 2, "patience": 1}, [0, 0, 1, 1, 1, 2, 2]),
        ([0.5, 0.5], {"cooldown": 0, "patience": 1}, [0, 1]),
    ],
)
def test_plateau_decays_when_results_stop_improving(results, settings, decays):
    assert decays_after(results, **settings) == decays


def plain_plateau(results, patience, threshold, cooldown):
    """The rule of the published schedule, written out: number of decays after each result."""
    best, bad, cooling, decays, seen = -1e12, 0, cooldown, 0, []
    for result in results:
        if result > best + threshold:
            best, bad = result, 0
        else:
            bad += 1
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad >= patience:
            cooling, decays, bad = cooldown, decays + 1, 0
        seen.append(decays)
    return seen


def test_plateau_agrees_with_the_plain_rule_on_random_results():
    generator = torch.Generator().manual_seed(0)
    for patience, cooldown in [(1, 0), (1, 2), (2, 0), (2, 1), (3, 2)]:
        results = (torch.rand(60, generator=generator) * 0.1).tolist()
        have = decays_after(results, patience=patience, cooldown=cooldown, threshold=0.004)
        assert have == plain_plateau(results, patience, 0.004, cooldown)


def test_plateau_multiplies_by_its_factor_and_stops_after_max_decays():
    schedule = plateau(cooldown=0, patience=1, factor=0.3, max_decays=2)
    schedule.add_result(0.5)
    assert schedule.set_iteration(100) == pytest.approx(1.0) and not schedule.finished
    schedule.add_result(0.5)
    assert schedule.set_iteration(101) == pytest.approx(0.3) and not schedule.finished
    schedule.add_result(0.5)
    assert schedule.set_iteration(102) == pytest.approx(0.09) and schedule.finished
    assert schedule.set_iteration(1) == pytest.approx(0.1 * 0.09)


def test_a_result_that_could_not_be_measured_is_skipped():
    schedule = plateau(cooldown=0, patience=1)
    for result in (None, 0.2, None):
        schedule.add_result(result)
    assert schedule.decays == 0 and schedule.best == 0.2


def test_plateau_goes_on_where_its_state_left_off():
    results = [0.1, 0.2, 0.2, 0.2, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1]
    for cut in range(len(results)):
        first = plateau()
        for result in results[:cut]:
            first.add_result(result)
        second = plateau()
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        for result in results[cut:]:
            second.add_result(result)
        assert second.decays == decays_after(results)[-1]


@pytest.mark.parametrize("keep, used", [(False, (3,)), (True, (9,))])
def test_milestones_come_from_the_checkpoint_unless_the_config_is_to_rule(keep, used, caplog):
    saved = WarmupMultiStepLR(optimizer(1.0), milestones=(3,), gamma=0.1, **WARMUP).state_dict()
    schedule = WarmupMultiStepLR(optimizer(1.0), milestones=(9,), gamma=0.1, **WARMUP)
    schedule.load_state_dict(json.loads(json.dumps(saved)), keep_settings=keep)
    assert schedule.milestones == used
    assert "milestones" in caplog.text and "(3,)" in caplog.text and "(9,)" in caplog.text


def test_state_of_another_type_is_not_taken(caplog):
    schedule = plateau()
    schedule.load_state_dict(WarmupMultiStepLR(optimizer(1.0), milestones=(3,), gamma=0.1, **WARMUP).state_dict())
    assert schedule.decays == 0 and "WarmupMultiStepLR" in caplog.text
