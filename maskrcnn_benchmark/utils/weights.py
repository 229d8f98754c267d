"""Weights into a model, by name, with an account of what went where; and tables that wait for theirs."""

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.weight_files import named_tensors, read_weights
from maskrcnn_benchmark.utils.weight_names import DETECTOR_COPIES, copy_source, summarise, target_name

logger = get_logger(__name__)
_UNFILLED = "unfilled_tables"
_OPTIONAL = "optional_weights"


@dataclass
class LoadReport:
    """
    What became of the names.

    Attributes:
        loaded: names in the model that were given a value, copies included.
        initial: names in the model that kept their initial values.
        unused: names in the file that the model has no place for.
        copied: those of `loaded` that took a detector's value.
        misshapen: names in the file left out because their shape differs, as MODEL.IGNORE_WEIGHTS allows.
    """

    loaded: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)


def load_weights(
    model: nn.Module,
    source: str | Path | Mapping,
    *,
    ignore: Collection[str] = (),
    copies: Sequence[tuple[str, str]] = (),
    name: str = "weights",
) -> LoadReport:
    """
    Loads by name whatever fits, and logs what was loaded, what stayed as it was and what did not fit.

    Names may carry what programs put around a model (weight_names.plain_names), and may be those of torchvision's,
    timm's or Detectron's ImageNet networks, which fill the backbone. Where the source has a detector's extractors but
    no key of its own for the relation head's, these start from the detector's.

    Args:
        model: its state dict is written in place, whatever the device and dtype.
        source: a .pth or .safetensors file, or named tensors (or a checkpoint that holds them).
        ignore: names, patterns (`roi_heads.box.predictor.*`) or sections whose shape may differ; they keep their
            initial values.
        copies: (prefix in the model, prefix in the source) pairs of copies beside the detector's.
        name: what a source that is no file is called in messages.
    Raises:
        UserError: unreadable file, a shape that differs (all of them are listed), numbers that are not finite, or
            nothing that fits.
    """
    from_file = isinstance(source, (str, Path))
    name = str(source) if from_file else name
    given = read_weights(source) if isinstance(source, (str, Path)) else named_tensors(source, name)
    targets = model.state_dict()
    report = LoadReport()
    values = _assign(given, targets, report)
    sources = {origin: origin for origin in given} | values
    for target in targets:
        source_of_copy = None if target in values else copy_source(target, sources, (*copies, *DETECTOR_COPIES))
        if source_of_copy is not None:
            values[target] = sources[source_of_copy]
            report.copied.append(target)
    report.misshapen = _leave_out_misshapen(values, given, targets, ignore, name)
    if not values:
        there, wanted = summarise(given, 4), summarise(targets, 4)
        raise UserError(
            f"{name}: none of its {len(given)} entries fits the model; there are {there}; the model has {wanted}"
        )
    pairs = {origin: (given[origin], targets[target]) for target, origin in values.items()}
    require_finite({origin: _as_kept(*pair, f"{name}: {origin}") for origin, pair in pairs.items()}, name)
    with torch.no_grad():
        for target, origin in values.items():
            targets[target].copy_(given[origin])
    filled = _with_aliases(model, values)
    _clear_marks(model, filled)
    report.loaded = [target for target in targets if target in filled]
    report.initial = [target for target in targets if target not in filled]
    report.copied = [target for target in report.copied if target in filled]
    _log(report, name)
    _warn_of_optional(model, report, name)
    return report


def require_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """
    UserError that names the first tensor with a number that is not finite, and counts the others, or one that is
    sparse, quantised, complex or without values; `source` is where they come from.
    """
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
            raise UserError(
                f"{source}: {name} is a tensor of {tensor.dtype}, {tensor.layout}, on {tensor.device}; expected plain"
                " real numbers: save it dense, on the CPU"
            )
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not _finite(tensor).all()]
    if bad:
        numbers = int((~_finite(tensors[bad[0]])).sum())
        raise UserError(
            f"{source}: {bad[0]} holds {numbers} numbers that are not"
            f" finite{f', and so do {len(bad) - 1} more' if bad[1:] else ''}: take a checkpoint from before the"
            " training went wrong"
        )


def _finite(tensor: Tensor) -> Tensor:
    return torch.isfinite(tensor if tensor.element_size() > 1 else tensor.float())  # 8 bits have no isfinite


def _as_kept(given: Tensor, target: Tensor, what: str) -> Tensor:
    """A tensor with no more range than the model's own. UserError for whole numbers in place of fractions."""
    if target.is_floating_point() and not given.is_floating_point():
        raise UserError(f"{what} holds {given.dtype}, the model's {target.dtype}")
    return given.to(target.dtype) if given.element_size() > target.element_size() else given


def _assign(given: Mapping[str, Tensor], targets: Mapping[str, Tensor], report: LoadReport) -> dict[str, str]:
    """Name in the model -> name in the source, for all that have one; an exact name goes before one by rule."""
    values: dict[str, str] = {}
    for origin in given:
        target = target_name(origin, targets)
        if target is None or (target in values and target != origin):
            report.unused.append(origin)
        else:
            values[target] = origin
    return values


def _leave_out_misshapen(
    values: dict[str, str], given: Mapping, targets: Mapping, ignore: Collection[str], name: str
) -> list[str]:
    """Removes misshapen entries from `values`; their names in the source. UserError for those not in `ignore`."""
    refused, left_out = [], []
    for target, origin in list(values.items()):
        have, want = tuple(given[origin].shape), tuple(targets[target].shape)
        if have == want:
            continue
        del values[target]
        if _is_named(target, ignore) or _is_named(origin, ignore):
            left_out.append(origin)
        else:
            refused.append(f"{target} is {have} in the file, {want} in the model")
    if refused:
        shown = some(refused, quoted=False, between="; ")
        raise UserError(
            f"{name}: {len(refused)} entries have another shape: {shown}. Set the config to the file's sizes, or leave"
            " them out: MODEL.IGNORE_WEIGHTS \"('name', 'section.*')\""
        )
    return left_out


def _is_named(name: str, patterns: Collection[str]) -> bool:
    return any(name == p or name.startswith(p.rstrip(".") + ".") or fnmatch.fnmatchcase(name, p) for p in patterns)


def _with_aliases(model: nn.Module, filled: Collection[str]) -> set[str]:
    """The filled names, and other names of the same tensors."""
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    ids = {id(tensor) for name, tensor in tensors if name in filled}
    return {name for name, tensor in tensors if id(tensor) in ids} | set(filled)


def _log(report: LoadReport, name: str) -> None:
    copied = f" ({len(report.copied)} of them copies of the detector's)" if report.copied else ""
    not_fitting = [*report.unused, *report.misshapen]
    logger.info(
        f"{name}: {len(report.loaded)} entries loaded{copied}, {len(report.initial)} of the model stay as they were, "
        f"{len(not_fitting)} of the file do not fit"
    )
    accounts = (report.loaded, report.copied, report.initial, report.unused)
    for what, names in zip(("loaded", "copied", "as they were", "unused"), accounts, strict=True):
        if names:
            logger.info(f"  {what}: {summarise(names)}")
            logger.debug(f"  {what}, all names:\n" + "\n".join(names))
    if report.misshapen:
        logger.warning(f"  left out for their shape, as MODEL.IGNORE_WEIGHTS says: {some(report.misshapen)}")


def mark_unfilled(module: nn.Module, parameter_name: str, reason: str) -> None:
    """
    Notes that a table has only a placeholder's values until weights are loaded into it.

    Args:
        module: the table's owner, or any module above it; parameter_name: of the parameter or buffer under it.
        reason: what require_filled says, with the name of the file that would have filled it.
    """
    vars(module).setdefault(_UNFILLED, {})[parameter_name] = reason


def unfilled(model: nn.Module) -> dict[str, str]:
    """Full name -> reason of every table that is still marked."""
    return _marks(model, _UNFILLED)


def mark_optional(module: nn.Module, parameter_name: str, what: str) -> None:
    """Notes that whole files may lack a parameter, which then starts anew, with a warning. `what` it is, in words."""
    vars(module).setdefault(_OPTIONAL, {})[parameter_name] = what


def optional(model: nn.Module) -> dict[str, str]:
    """Full name -> what it is, of every parameter that a file may lack."""
    return _marks(model, _OPTIONAL)


def _marks(model: nn.Module, kind: str) -> dict[str, str]:
    return {
        f"{prefix}.{name}".lstrip("."): text
        for prefix, module in model.named_modules()
        for name, text in getattr(module, kind, {}).items()
    }


def _warn_of_optional(model: nn.Module, report: LoadReport, name: str) -> None:
    """Names what a file lacks that it may lack, if it has other parameters of the same module."""
    owners = {loaded.rpartition(".")[0] for loaded in report.loaded}
    anew = [
        f"{full} ({what})"
        for full, what in optional(model).items()
        if full in report.initial and full.rpartition(".")[0] in owners
    ]
    if anew:
        logger.warning(f"{name} lacks {', '.join(anew)}: started anew")


def require_filled(model: nn.Module) -> None:
    """UserError if a table is still marked: neither its own file nor the loaded weights filled it."""
    waiting = unfilled(model)
    if waiting:
        reasons = "; ".join(dict.fromkeys(waiting.values()))
        raise UserError(f"{reasons} (no weights filled {', '.join(waiting)} either)")


def _clear_marks(model: nn.Module, filled: Collection[str]) -> None:
    for prefix, module in model.named_modules():
        marks = getattr(module, _UNFILLED, {})
        for name in [name for name in marks if f"{prefix}.{name}".lstrip(".") in filled]:
            del marks[name]
