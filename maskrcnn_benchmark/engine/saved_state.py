"""Whether a checkpoint holds what a run needs to go on: every entry is checked before anything is built from it."""

import math
from collections.abc import Iterator, Mapping
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
    require_finite(
        {f"model.{name}": value for name, value in state["model"].items() if isinstance(value, Tensor)}, source
    )
    moments = {
        f"optimizer.state.{i}.{name}": value
        for i, one in state["optimizer"]["state"].items()
        for name, value in one.items()
    }
    require_finite({name: value for name, value in moments.items() if isinstance(value, Tensor)}, source)


def _faults(state: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(entry, what it should be, whether it is that), an entry only after those that it lies in."""
    for key in ("model", "optimizer", "schedule", "scaler", "sampler", "best"):
        yield (
            key,
            "a table of names",
            isinstance(state[key], Mapping) and all(isinstance(name, str) for name in state[key]),
        )
    yield "iteration", "a whole number", _is_count(state["iteration"])
    yield "validated", "a whole number", _is_count(state.get("validated", 0))
    optimizer = state["optimizer"]
    moments, groups = optimizer.get("state"), optimizer.get("param_groups")
    yield (
        "optimizer.state",
        "a table of tables",
        isinstance(moments, Mapping) and all(isinstance(one, Mapping) for one in moments.values()),
    )
    yield (
        "optimizer.param_groups",
        "a list of tables",
        isinstance(groups, list) and all(isinstance(one, Mapping) for one in groups),
    )
    for i, group in enumerate(groups):
        where, names, numbers = f"optimizer.param_groups[{i}]", group.get("names"), group.get("params")
        yield (
            f"{where}.names",
            "a list of names",
            isinstance(names, list) and all(isinstance(name, str) for name in names),
        )
        yield f"{where}.params", "a list of numbers", isinstance(numbers, list) and all(map(_is_count, numbers))
        yield f"{where}.params", "as long as names", len(numbers) == len(names)
        for key in ("initial_lr", "weight_decay", "momentum"):
            yield f"{where}.{key}", "a number of at least 0", _is_number(group.get(key)) and group[key] >= 0
    for key, value in ({"type": None} | dict(state["schedule"])).items():
        if key in ("type", "warmup_method"):
            yield f"schedule.{key}", "a name", isinstance(value, str)
        elif key == "milestones":
            yield f"schedule.{key}", "a list of numbers", isinstance(value, list) and all(map(_is_number, value))
        else:
            yield f"schedule.{key}", "a number", _is_number(value) or (key == "best" and value is None)
    for key, value in state["scaler"].items():
        yield f"scaler.{key}", "a number", _is_number(value)
    best = state["best"]
    yield "best.metric", "a name", isinstance(best.get("metric"), str)
    yield "best.value", "a number", "value" in best and (best["value"] is None or _is_number(best["value"]))
    yield (
        "best",
        "a metric, its value and its iteration",
        best.keys() == {"metric", "value", "iteration"} and _is_count(best["iteration"]),
    )
    yield from _sampler_faults(state["sampler"])
    yield (
        "random",
        "a list of tables",
        isinstance(state["random"], list) and all(isinstance(one, Mapping) for one in state["random"]),
    )


def _sampler_faults(sampler: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """The position in the training data."""
    for key, least in (("images", 1), ("batch_size", 1), ("epoch", 0), ("batch", 0)):
        yield (
            f"sampler.{key}",
            f"a whole number of at least {least}",
            _is_count(sampler.get(key)) and sampler[key] >= least,
        )
    waiting = sampler.get("waiting")
    pairs = isinstance(waiting, list) and all(
        isinstance(row, list) and len(row) == 2 and all(map(_is_count, row)) for row in waiting
    )
    yield (
        "sampler.waiting",
        "a list of pairs of epoch and image",
        pairs and all(row[1] < sampler["images"] for row in waiting),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
