"""What looking a data set over has found."""

from dataclasses import dataclass, field

import numpy as np

from maskrcnn_benchmark.data.findings import ERROR, Finding, found


@dataclass
class SplitSummary:
    """Counts of one split, and how often each class and predicate occurs (background first)."""

    images: int
    images_with_relations: int
    boxes: int
    relations: int
    object_counts: np.ndarray
    predicate_counts: np.ndarray


@dataclass
class Report:
    """
    Args:
        name: of the data set.
        files: what each annotation file is -> path.
        findings: in the order in which they were found.
        splits: by name, those that have an image.
        objects, predicates: names, background first.
    """

    name: str
    files: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    splits: dict[str, SplitSummary] = field(default_factory=dict)
    objects: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()

    def add(self, level: str, what: str, examples: list[str] | None = None, count: int | None = None) -> None:
        """Notes a finding, with `examples` as `found` makes it."""
        self.findings += [Finding(level, what)] if examples is None else found(level, what, examples, count)

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return sum(finding.level == ERROR for finding in self.findings)

    def predicate_groups(self) -> dict[str, list[str]]:
        """Head, body and tail: thirds of the predicates by their training frequency, the most frequent first."""
        if "train" not in self.splits:
            return {}
        order = np.argsort(-self.splits["train"].predicate_counts[1:], kind="stable") + 1
        thirds = zip(("head", "body", "tail"), np.array_split(order, 3), strict=True)
        return {name: [self.predicates[index] for index in third] for name, third in thirds}
