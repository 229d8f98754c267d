"""Classes and functions that a config names."""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from maskrcnn_benchmark.utils.errors import UserError

T = TypeVar("T")


class Registry(dict):
    """A dict from the names in configs to what they stand for, filled by a decorator: `@REGISTRY.register("Name")`."""

    def __init__(self, name: str, hint: str = ""):
        """For messages: `name` is what the entries are ("relation predictor"), `hint` how a new one is added."""
        super().__init__()
        self.name = name
        self.hint = hint

    def register(self, key: str) -> Callable[[T], T]:
        """Decorator that files a class or function under a name. ValueError if the name is taken by something else."""

        def add(entry: T) -> T:
            if key in self:
                raise ValueError(f"{self.name} '{key}' is registered twice: {self[key]!r} and {entry!r}")
            self[key] = entry
            return entry

        return add

    def __missing__(self, key: Any) -> NoReturn:
        known = ", ".join(sorted(self)) or "none"
        hint = f" {self.hint}" if self.hint else ""
        raise UserError(f"unknown {self.name} '{key}'; registered: {known}.{hint}")
