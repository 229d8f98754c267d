"""A checkpoint of which any entry is missing, of another kind or not finite is one error that names the entry."""

import copy
import random

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.data.samplers import TrainingBatchSampler
from maskrcnn_benchmark.engine.resume import Best, TrainingState, load_last
from maskrcnn_benchmark.engine.saved_state import check_saved
from maskrcnn_benchmark.engine.step import make_scaler
from maskrcnn_benchmark.solver import WarmupReduceLROnPlateau
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.errors import UserError

from .toys import ToyModel

PLATEAU = {"factor": 0.5, "patience": 1, "threshold": 0.0, "cooldown": 0, "max_decays": 3}


def make_state(dtype="float32"):
    model = ToyModel()
    optimizer = torch.optim.SGD(
        [{"params": list(model.parameters()), "names": [name for name, _ in model.named_parameters()]}],
        lr=0.1,
        momentum=0.9,
    )
    rates = WarmupReduceLROnPlateau(optimizer, warmup_factor=0.5, warmup_iters=2, warmup_method="linear", **PLATEAU)
    sampler = TrainingBatchSampler(np.zeros(7, dtype=int), 2, seed=0)
    return TrainingState(
        model, optimizer, rates, make_scaler(torch.device("cpu"), dtype), sampler, Best("mR@100"), {"version": "0"}
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What a run of two updates keeps."""
    folder, state = tmp_path_factory.mktemp("run"), make_state()
    for iteration in (1, 2):
        sum(parameter.square().sum() for parameter in state.model.parameters()).backward()
        state.optimizer.step()
        for _ in range(2):
            state.sampler.advance()
        state.finish(iteration)
    state.best = Best("mR@100", 0.5, 2)
    state.save(Checkpointer(folder), "model_0000002")
    return Checkpointer(folder).load(folder / "model_0000002.pth")


def put(state, where, value):
    *parents, last = where
    for key in parents:
        state = state[key]
    state[last] = value


def test_a_whole_state_passes(saved):
    check_saved(saved, "x.pth")
    make_state().load(saved, keep_settings=False)


def test_float16_goes_on_where_a_run_without_a_scaler_stopped(saved):
    """A CPU that lacks float16 computes in bfloat16, without a scaler; a GPU has one."""
    state = make_state(dtype="float16")
    state.load(saved, keep_settings=False)
    assert (state.iteration, state.scaler.get_scale()) == (2, make_scaler(torch.device("cpu"), "float16").get_scale())
    make_state().load(saved | {"scaler": state.scaler.state_dict()}, keep_settings=False)


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        (["model"], [1], "model"),
        (["model", "first.weight"], torch.tensor(float("nan")), "model.first.weight"),
        (["iteration"], 2.5, "iteration"),
        (["iteration"], -1, "iteration"),
        (["iteration"], "2", "iteration"),
        (["validated"], True, "validated"),
        (["optimizer", "state"], [], "optimizer.state"),
        (
            ["optimizer", "state", 0, "momentum_buffer"],
            torch.full((16, 48), float("inf")),
            "optimizer.state.0.momentum_buffer",
        ),
        (["optimizer", "param_groups"], {}, "optimizer.param_groups"),
        (["optimizer", "param_groups", 0, "names"], "first.weight", "optimizer.param_groups[0].names"),
        (["optimizer", "param_groups", 0, "params"], [0], "optimizer.param_groups[0].params"),
        (["optimizer", "param_groups", 0, "initial_lr"], float("nan"), "optimizer.param_groups[0].initial_lr"),
        (["optimizer", "param_groups", 0, "momentum"], -1, "optimizer.param_groups[0].momentum"),
        (["optimizer", "param_groups", 0, "momentum"], 5, "optimizer.param_groups[0].momentum"),
        (["optimizer", "param_groups", 0, "initial_lr"], 1e300, "optimizer.param_groups[0].initial_lr"),
        (["optimizer", "state"], {"x": {}}, "optimizer.state"),
        (["optimizer", "state", 0, "momentum_buffer"], torch.eye(4).to_sparse(), "optimizer.state.0.momentum_buffer"),
        (["schedule", "type"], None, "schedule.type"),
        (["schedule", "factor"], {"a": 1}, "schedule.factor"),
        (["schedule", "factor"], -1.0, "schedule.factor"),
        (["schedule", "warmup_method"], "cubic", "schedule.warmup_method"),
        (["validated"], 3, "validated"),
        (["best", "value"], 7.0, "best.value"),
        (["schedule"], 3, "schedule"),
        (["schedule", "best"], "x", "schedule.best"),
        (["schedule", "patience"], None, "schedule.patience"),
        (["best", "value"], "0.5", "best.value"),
        (["best", "more"], 1, "best"),
        (["sampler", "batch"], -2, "sampler.batch"),
        (["sampler", "batch"], 10**12, "sampler.batch"),
        (["sampler", "waiting"], [[0, 99]], "sampler.waiting"),
        (["sampler", "waiting"], [[0]], "sampler.waiting"),
        (["sampler", "waiting"], [[0, 1], [0, 1]], "sampler.waiting"),
        (["random"], {}, "random"),
    ],
)
def test_a_changed_entry_is_named(where, value, named, saved):
    changed = copy.deepcopy(saved)
    put(changed, where, value)
    with pytest.raises(UserError, match="^x.pth") as error:
        check_saved(changed, "x.pth")
    assert f"{named} " in str(error.value)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (["optimizer", "state", 0, "momentum_buffer"], torch.zeros(3), "momentum of first.weight"),
        (["optimizer", "state", 0, "momentum_buffer"], torch.zeros(16, 48, dtype=int), "holds torch.int64"),
        (["random", 0, "torch"], torch.zeros(3), "entry random"),
        (["random", 0, "python"], [3, [], None], "entry random"),
        (["random", 0, "numpy", 2], 10**9, "entry random"),
        (["schedule", "factor"], None, "entry schedule"),
        (["model", "second.bias"], torch.zeros(3), "another shape"),
    ],
)
def test_an_entry_that_is_of_no_use_here_is_named_when_it_is_taken(where, value, said, saved):
    changed = copy.deepcopy(saved)
    put(changed, where, value)
    if where[-1] == "factor":
        del changed["schedule"]["factor"]
    check_saved(changed, "x.pth")
    with pytest.raises(UserError, match=said):
        make_state().load(changed, keep_settings=False)


def entries(value, where=()):
    """The places of all entries of nested tables and lists."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list) and len(value) < 50
        else ()
    )
    for key, inner in pairs:
        yield (*where, key)
        yield from entries(inner, (*where, key))


def test_whatever_is_changed_is_used_or_refused(saved):
    """Seeded draws of a place and of something that does not belong there: never an error of another kind."""
    draw, places = random.Random(7), list(entries(saved))
    odd = [
        None,
        -1,
        2**70,
        1.5,
        float("nan"),
        "x",
        "",
        [],
        [[]],
        {},
        {"a": 1},
        (),
        True,
        torch.zeros(0),
        torch.zeros(2, 2),
    ]
    refused = 0
    for _ in range(200):
        changed = copy.deepcopy(saved)
        put(changed, draw.choice(places), copy.deepcopy(draw.choice(odd)))
        try:
            check_saved(changed, "x.pth")
            make_state().load(changed, keep_settings=draw.random() < 0.5)
        except UserError:
            refused += 1
    assert refused > 130


def test_a_state_that_is_not_whole_gives_way_to_the_one_before(saved, tmp_path, caplog):
    checkpoints = Checkpointer(tmp_path)
    checkpoints.save("model_0000001", saved | {"iteration": 1})
    checkpoints.save("model_0000002", saved | {"sampler": {}})
    checkpoints.mark_last("model_0000002")
    assert load_last(checkpoints)["iteration"] == 1
    assert (
        "model_0000002.pth: its entry sampler.images is not" in caplog.text
        and "Trying the checkpoint before it" in caplog.text
    )
    (tmp_path / "model_0000001.pth").unlink()
    with pytest.raises(UserError, match="model_0000002.pth: its entry sampler.images"):
        load_last(checkpoints)
