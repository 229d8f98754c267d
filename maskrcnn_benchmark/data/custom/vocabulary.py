"""Names of objects, predicates and attributes of own data, and their order."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.untrusted import fields, read_json


@dataclass(frozen=True)
class Vocabulary:
    """Names in the order of their ids, which start at 1. An empty list of `attributes` is legal."""

    objects: list[str]
    predicates: list[str]
    attributes: list[str] = field(default_factory=list)

    @classmethod
    def from_file(cls, path: str | Path) -> "Vocabulary":
        """From a JSON object with the lists objects, predicates and perhaps attributes. UserError for any other."""
        content = read_json(path, dict)
        if content.get("attributes") is None:
            content["attributes"] = []
        kinds = ("objects", "predicates", "attributes")
        lists = zip(kinds, fields(content, str(path), **dict.fromkeys(kinds, list)), strict=True)
        return cls(*(list(vocabulary(names, f"{path}, {kind}")[1:]) for kind, names in lists))

    @classmethod
    def from_entries(cls, entries: Iterable[dict[str, Any]]) -> "Vocabulary":
        """All names, most frequent first, then by the alphabet. UserError where two differ by Unicode form alone."""
        objects, predicates, attributes = Counter(), Counter(), Counter()
        for entry in entries:
            objects.update(item["label"] for item in entry["objects"])
            attributes.update(name for item in entry["objects"] for name in item["attributes"])
            predicates.update(predicate for _, predicate, _ in entry["relations"])
        kinds = (("labels", objects), ("predicates", predicates), ("attributes", attributes))
        ordered = ((kind, sorted(counts, key=lambda name: (-counts[name], name))) for kind, counts in kinds)
        return cls(*(list(vocabulary(names, kind)[1:]) for kind, names in ordered))

    def ids(self) -> tuple[dict[str, int], ...]:
        """Name -> id from 1, for objects, predicates and attributes."""
        kinds = (self.objects, self.predicates, self.attributes)
        return tuple({name: number for number, name in enumerate(names, start=1)} for names in kinds)
