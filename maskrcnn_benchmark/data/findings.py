"""What is odd about annotations: loaders warn of it, `make_dataset.py --check` lists it."""

from collections.abc import Iterable
from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
EXAMPLES = 10


@dataclass(frozen=True)
class Finding:
    """
    Args:
        level: "error" (training or evaluation would stop, or be wrong), "warning" (worth a look) or "note".
        what: in a sentence.
        count: how many.
        examples: the first few.
    """

    level: str
    what: str
    count: int = 1
    examples: tuple[str, ...] = ()

    def line(self) -> str:
        """The finding in a line of a table."""
        return f"{self.level:<7} {self.count:>8}  {self._text()}"

    def sentence(self) -> str:
        """The finding in a sentence."""
        return f"{self.count} {self._text()}"

    def _text(self) -> str:
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.what}: {', '.join(self.examples)}{more}" if self.examples else self.what


def found(level: str, what: str, examples: Iterable[str], count: int | None = None) -> list[Finding]:
    """One finding, or none where there is no example; `count` where `examples` are only the first."""
    examples = list(examples)
    if not examples:
        return []
    return [Finding(level, what, len(examples) if count is None else count, tuple(examples[:EXAMPLES]))]
