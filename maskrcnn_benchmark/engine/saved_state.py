"""Whether a checkpoint holds what a run needs to go on: every entry is checked before anything is built from it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weights import require_finite

NEEDED = ("model", "optimizer", "schedule", "scaler", "sampler", "best", "random", "iteration")


def check_saved(state: Mapping[str, Any], source: str) -> None:
    """
    Checks a checkpoint that a run is to go on from.

    Args:
        state: what the file holds. source: what it is called in messages.
    Raises:
        UserError: the file holds weights alone, or names the entry that is missing, of another kind, or not finite.
    """
    missing = [key for key in NEEDED if key not in state]
    if missing:
        raise UserError(f"{source} lacks {', '.join(missing)}: name it as MODEL.WEIGHT of a run in another OUTPUT_DIR")
    for where, wanted, holds in _faults(state):
        if not holds:
            raise UserError(
                f"{source}: its entry {where} is not {wanted}: damaged or changed, so that no run can go on from it"
            )
    tensors = {f"model.{name}": value for name, value in state["model"].items()}
    for i, moments in state["optimizer"]["state"].items():
        tensors |= {f"optimizer.state.{i}.{name}": value for name, value in moments.items()}
    require_finite({name: value for name, value in tensors.items() if isinstance(value, Tensor)}, source)


def _faults(state: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(entry, what it should be, whether it is that), an entry only after those that it lies in."""
    for key in ("model", "optimizer", "schedule", "scaler", "sampler", "best"):
        yield key, "a table of names", _is_table(state[key]) and all(map(_is_name, state[key]))
    yield "iteration", "a whole number", _is_count(state["iteration"])
    validated = state.get("validated", 0)
    yield "validated", "a whole number up to iteration", _is_count(validated) and validated <= state["iteration"]
    yield from _optimizer_faults(state["optimizer"])
    for key, value in ({"type": None} | dict(state["schedule"])).items():
        where = f"schedule.{key}"
        if key == "type":
            yield where, "a name", _is_name(value)
        elif key == "warmup_method":
            yield where, "linear or constant", value in ("linear", "constant")
        elif key == "milestones":
            yield where, "a list of numbers", _is_list(value, _is_number)
        else:
            yield where, "a number of at least 0", _is_number(value) or (key == "best" and value is None)
    for key, value in state["scaler"].items():
        yield f"scaler.{key}", "a number", _is_number(value)
    best = state["best"]
    yield "best.metric", "a name", _is_name(best.get("metric"))
    value = best.get("value", "")
    yield "best.value", "a number from 0 to 1", value is None or (_is_number(value) and value <= 1)
    whole = best.keys() == {"metric", "value", "iteration"} and _is_count(best["iteration"])
    yield "best", "a metric, its value and its iteration", whole
    yield from _sampler_faults(state["sampler"])
    yield "random", "a list of tables", _is_list(state["random"], _is_table)


def _optimizer_faults(optimizer: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Groups of parameters, and what is kept of each parameter by its number."""
    moments, groups = optimizer.get("state"), optimizer.get("param_groups")
    yield "optimizer.state", "a table of tables", _is_table(moments) and all(map(_is_table, moments.values()))
    yield "optimizer.param_groups", "a list of tables", _is_list(groups, _is_table)
    parameters: set[int] = set()
    for i, group in enumerate(groups):
        where, names, numbers = f"optimizer.param_groups[{i}]", group.get("names"), group.get("params")
        yield f"{where}.names", "a list of names", _is_list(names, _is_name)
        yield f"{where}.params", "a list of numbers", _is_list(numbers, _is_count)
        yield f"{where}.params", "as long as names", len(numbers) == len(names)
        parameters.update(numbers)
        for key in ("initial_lr", "weight_decay", "momentum"):
            yield f"{where}.{key}", "a number of at least 0", _is_number(group.get(key))
        yield f"{where}.momentum", "below 1", group["momentum"] < 1
    yield "optimizer.state", "of the parameters in its groups alone", moments.keys() <= parameters


def _sampler_faults(sampler: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """The position in the training data."""
    for key, least in (("images", 1), ("batch_size", 1), ("epoch", 0), ("batch", 0)):
        value = sampler.get(key)
        yield f"sampler.{key}", f"a whole number of at least {least}", _is_count(value) and value >= least
    waiting = sampler.get("waiting")
    pairs = _is_list(waiting, lambda row: _is_list(row, _is_count) and len(row) == 2)
    known = pairs and all(image < sampler["images"] for _, image in waiting)
    yield "sampler.waiting", "a list of pairs of epoch and image", known
    yield "sampler.waiting", "a list of different pairs", len(set(map(tuple, waiting))) == len(waiting)
    used = sampler["batch"] * sampler["batch_size"]
    yield "sampler.batch", "one of the epoch's batches", used <= sampler["images"] + len(waiting)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_name(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any, holds: Callable[[Any], bool]) -> bool:
    """A list whose every element is of a kind."""
    return isinstance(value, list) and all(map(holds, value))


def _is_number(value: Any) -> bool:
    """A number from 0 that float32 can hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 3e38


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
