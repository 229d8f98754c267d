"""Which predicates fail, and what they are taken for."""

from collections.abc import Mapping
from typing import Any

# Wrong predicates named, the most frequent first.
NAMED = 3


def predicate_rows(metrics: Mapping[str, Any], k: str) -> list[dict[str, Any]]:
    """
    Every predicate that the ground truth has, those first of which the most relations are not found.

    Returns:
        "name", "third" (of training frequency, or None), "recall" at k, "relations" of the ground truth, "taken_for":
        shares of these whose pair got another predicate, by name, and "not_held": the share whose pair is not among
        the predictions, with its labels right.
    """
    thirds = metrics.get("choices", {}).get("groups") or {}
    third_of = {name: third for third, names in thirds.items() for name in names}
    names = list(metrics["per_predicate"])
    confusion = metrics.get("confusion") or [[0] * (len(names) + 1)] * (len(names) + 1)
    rows = []
    for number, name in enumerate(names, start=1):
        recall, counts = metrics["per_predicate"][name].get(k), confusion[number]
        if recall is None:
            continue
        relations = sum(counts)
        wrong = sorted((p for p in range(1, len(counts)) if counts[p] and p != number), key=lambda p: -counts[p])
        rows.append(
            {
                "name": name,
                "third": third_of.get(name),
                "recall": recall,
                "relations": relations,
                "taken_for": [(names[p - 1], counts[p] / relations) for p in wrong[:NAMED]],
                "not_held": counts[0] / relations if relations else 0.0,
            }
        )
    return sorted(rows, key=lambda row: -row["relations"] * (1 - row["recall"]))
