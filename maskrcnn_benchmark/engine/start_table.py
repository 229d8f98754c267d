"""What a training is about to do, as a table for the log."""

from torch import nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.build import training_name
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.solver.optimizer import learning_rate_rule


def start_table(cfg: Config, model: nn.Module, dataset: SceneGraphDataset, start: int) -> str:
    """Parameters, images, pairs, rate and iterations after `start`: 80 columns wide as long as names are short."""
    solver = cfg.SOLVER
    validation = _every(solver.VAL_PERIOD if solver.TO_VAL else 0)
    images, relations = len(dataset), int(dataset.relation_counts().sum())
    batch = solver.IMS_PER_BATCH * solver.ACCUMULATE
    update = f"{batch} images" + (f" in {solver.ACCUMULATE} batches" if solver.ACCUMULATE > 1 else "")
    if cfg.MODEL.RELATION_ON:
        update += f", up to {cfg.MODEL.ROI_RELATION_HEAD.BATCH_SIZE_PER_IMAGE:,} pairs each"
    passes = (solver.MAX_ITER - start) * batch / images
    rows = {
        "data": f"{images:,} images of {training_name(cfg)}, {relations:,} relations",
        "an update": update,
        "rate": f"{learning_rate_rule(cfg)[0]:g} after warm-up, {cfg.DTYPE}",
        "iterations": f"{start + 1:,} to {solver.MAX_ITER:,}, {passes:.3g} passes over the images",
        "then": f"checkpoint {_every(solver.CHECKPOINT_PERIOD)}, validation {validation}",
    }
    return parameter_table(model) + "\n" + "\n".join(f"{name:<11} {text}" for name, text in rows.items())


def _every(period: int) -> str:
    return f"every {period:,}" if period else "never"


def parameter_table(model: nn.Module) -> str:
    """Numbers of trained and frozen parameters, a line per module: parts of the backbone and relation head, heads."""
    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        counts = rows.setdefault(_row(name), [0, 0])
        counts[0 if parameter.requires_grad else 1] += parameter.numel()
    total = [sum(counts[i] for counts in rows.values()) for i in (0, 1)]
    width = max(len(name) for name in [*rows, "together"])
    rows["together"] = total
    lines = [f"{name:<{width}} {trained:>13,} {frozen:>13,}" for name, (trained, frozen) in rows.items()]
    return "\n".join([f"{'module':<{width}} {'trained':>13} {'frozen':>13}", *lines])


def _row(parameter_name: str) -> str:
    """Module of the table that a parameter belongs to: two names deep, three inside the relation head."""
    parts = parameter_name.split(".")
    depth = 3 if parameter_name.startswith("roi_heads.relation.") else 1 if parts[0] == "rpn" else 2
    return ".".join(parts[: min(depth, len(parts) - 1)]) or parameter_name
