"""One update: its arithmetic, and what happens when a number is not finite."""

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine.step import TrainingStep, make_scaler, momentum_of
from maskrcnn_benchmark.solver import make_optimizer
from maskrcnn_benchmark.utils.errors import UserError

from .toys import ToyLoader, ToyModel

CPU = torch.device("cpu")


def make_step(model, dtype="float32", **settings):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return TrainingStep(model, optimizer, make_scaler(CPU, dtype), CPU, dtype=dtype, **settings)


def plain_step(model, loader, numbers, clip):
    """The same update written out: mean gradient over the batches, clipped, plain SGD with momentum from rest."""
    total = 0
    for number in numbers:
        batch = loader.batch(number)
        total = total + sum(model(batch.images, batch.targets).values()) / len(numbers)
    grads = torch.autograd.grad(total, list(model.parameters()))
    norm = torch.sqrt(sum(g.double().square().sum() for g in grads))
    scale = min(1.0, clip / (float(norm) + 1e-6))
    return [p - 0.1 * scale * g for p, g in zip(model.parameters(), grads, strict=True)], float(norm)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("clip", [100.0, 0.05])
def test_an_update_averages_its_batches_and_clips_the_gradient(accumulate, clip):
    torch.manual_seed(0)
    model = ToyModel(dropout=0.0)
    loader = ToyLoader()
    want, norm = plain_step(model, loader, range(1, accumulate + 1), clip)
    result = make_step(model, clip=clip, accumulate=accumulate)(iter(loader), 1)
    assert float(result.gradient_norm) == pytest.approx(norm, rel=1e-5)
    for have, expected in zip(model.parameters(), want, strict=True):
        torch.testing.assert_close(have, expected)


def test_accumulated_halves_take_the_step_of_the_whole_batch():
    torch.manual_seed(0)
    model, twin = ToyModel(dropout=0.0), ToyModel(dropout=0.0)
    twin.load_state_dict(model.state_dict())
    whole = ToyLoader(batch_size=4)
    halves = iter([ToyLoader(batch_size=4, share=(i, 2)).batch(1) for i in range(2)])
    make_step(model)(iter(whole), 1)
    make_step(twin, accumulate=2)(halves, 1)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_values_are_every_loss_and_their_sum(toy_model):
    values = make_step(toy_model)(iter(ToyLoader()), 1).values()
    assert values["loss"] == pytest.approx(values["loss_square"] + values["loss_slope"])
    assert {"spread", "gradient_norm"} <= values.keys()


def test_a_loss_that_is_not_finite_stops_with_its_name_iteration_and_images(toy_model):
    toy_model.poisoned = {201}
    before = [p.clone() for p in toy_model.parameters()]
    loader = ToyLoader(position=1)
    with pytest.raises(
        UserError, match=r"iteration 7: loss_square = nan is not finite; image ids 200, 201.*SKIP_NONFINITE"
    ):
        make_step(toy_model)(iter(loader), 7)
    for a, b in zip(toy_model.parameters(), before, strict=True):
        assert torch.equal(a, b)


def test_so_many_bad_updates_in_a_row_are_skipped_and_no_more(toy_model, caplog):
    toy_model.poisoned = {100, 200, 400, 500, 600}
    step, batches = make_step(toy_model, skip_nonfinite=2), iter(ToyLoader())
    in_a_row = [step(batches, i) and step.skipped_in_a_row for i in range(1, 6)]
    assert in_a_row == [1, 2, 0, 1, 2]
    assert "image ids 200, 201" in caplog.text and "2 in a row" in caplog.text
    with pytest.raises(UserError, match="iteration 6"):
        step(batches, 6)


def test_a_gradient_that_is_not_finite_counts_too(toy_model):
    toy_model.second.weight.register_hook(lambda g: g * float("inf"))
    with pytest.raises(UserError, match="gradient norm"):
        make_step(toy_model)(iter(ToyLoader()), 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_takes_the_step_of_float32_up_to_rounding(dtype):
    torch.manual_seed(0)
    model = ToyModel(dropout=0.0)
    before = [p.detach().clone() for p in model.parameters()]
    want, _ = plain_step(model, ToyLoader(batch_size=16), [1], 100.0)
    step, tries = make_step(model, dtype=dtype, clip=100.0), 0
    while torch.equal(model.first.weight, before[0]) and tries < 5:  # float16 finds its scale first
        step(iter(ToyLoader(batch_size=16)), 1)
        tries += 1
    for have, old, new in zip(model.parameters(), before, want, strict=True):
        assert have.dtype == torch.float32 and not torch.equal(have, old)
        assert float((have - new).detach().norm()) < 0.02 * float((new - old).detach().norm())


def test_float16_leaves_an_overflowing_update_out_and_lowers_its_scale(toy_model):
    step, batches = make_step(toy_model, dtype="float16"), iter(ToyLoader())
    toy_model.second.weight.register_hook(lambda g: g * float("inf") if step.scaler.get_scale() > 16384 else g)
    before = [p.clone() for p in toy_model.parameters()]
    step(batches, 1)
    assert step.scaler.get_scale() == 32768
    for a, b in zip(toy_model.parameters(), before, strict=True):
        assert torch.equal(a, b)
    for i in range(2, 5):
        step(batches, i)
    assert not torch.equal(toy_model.second.weight, before[2])


@pytest.mark.parametrize("what", ["weight", "momentum"])
def test_float16_stops_at_weights_and_momentum_that_are_no_numbers_whatever_its_scale(toy_model, what):
    step, batches = make_step(toy_model, dtype="float16", skip_nonfinite=9), iter(ToyLoader())
    while not step.optimizer.state:  # float16 finds its scale first
        step(batches, 1)
    unused = toy_model.unused = torch.nn.Parameter(torch.zeros(2))
    step.optimizer.add_param_group({"params": [unused]})
    step.parameters.append(unused)
    spoiled = unused.data if what == "weight" else step.optimizer.state[toy_model.first.weight]["momentum_buffer"]
    spoiled.view(-1)[0] = float("nan")
    name = "unused" if what == "weight" else "momentum of first.weight"
    assert step.scaler.get_scale() > 1
    with pytest.raises(UserError, match=f"before iteration 7: {name} not finite.*checkpoint before"):
        step(batches, 7)


@pytest.mark.gpu
def test_an_update_that_overflows_first_leaves_the_momentum_alone():
    """As on a GPU, where new memory holds anything."""
    cfg = load_config(None, ["SOLVER.BASE_LR", "0.01"])
    device = torch.device("cuda", 0)
    model = ToyModel(dropout=0.0).to(device)
    step = TrainingStep(model, make_optimizer(cfg, model), make_scaler(device, "float16"), device, dtype="float16")
    model.second.weight.register_hook(lambda g: g * float("inf") if step.scaler.get_scale() > 32768 else g)
    batches = iter(ToyLoader())
    for iteration in (1, 2, 3):
        step(batches, iteration)
    assert all(value.isfinite().all() for value in [*model.parameters(), *momentum_of(step.optimizer).values()])
    assert len(momentum_of(step.optimizer)) == 4


def test_a_batch_without_anything_to_learn_changes_nothing(toy_model):
    for parameter in toy_model.parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    for dtype in ("float32", "float16"):
        step = TrainingStep(toy_model, optimizer, make_scaler(CPU, dtype), CPU, dtype=dtype)
        step(iter(ToyLoader()), 1)
        assert step.skipped_in_a_row == 0
    assert float(optimizer.param_groups[0]["params"][0].detach()) == 1
