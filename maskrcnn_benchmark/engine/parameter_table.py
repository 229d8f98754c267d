"""How much of a model is trained and how much stays as it was loaded."""

from torch import nn

_RELATION = "roi_heads.relation."


def parameter_table(model: nn.Module) -> str:
    """
    Numbers of trained and frozen parameters, a line a module: the backbone's parts, the detector's heads, the relation
    head's parts.
    """
    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        counts = rows.setdefault(_row(name), [0, 0])
        counts[0 if parameter.requires_grad else 1] += parameter.numel()
    total = [sum(counts[i] for counts in rows.values()) for i in (0, 1)]
    width = max(len(name) for name in [*rows, "together"])
    lines = [f"{'module':<{width}} {'trained':>13} {'frozen':>13}"]
    lines += [
        f"{name:<{width}} {counts[0]:>13,} {counts[1]:>13,}" for name, counts in [*rows.items(), ("together", total)]
    ]
    return "\n".join(lines)


def _row(parameter_name: str) -> str:
    """Module of the table that a parameter belongs to: two names deep, three inside the relation head."""
    parts = parameter_name.split(".")
    depth = 3 if parameter_name.startswith(_RELATION) else 1 if parts[0] == "rpn" else 2
    return ".".join(parts[: min(depth, len(parts) - 1)]) or parameter_name
