"""One update of the weights: forward, backward, clipping, and what happens when a number is not finite."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.data.collate import Batch
from maskrcnn_benchmark.engine.processes import average_gradients, mean_values
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.distributed import all_gather_objects, all_reduce_sum
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)


def usable_dtype(device: torch.device, dtype: str) -> str:
    """
    DTYPE as the device can compute in it: bfloat16, with one warning, where float16 is asked of a CPU without
    half-precision arithmetic. It would emulate both at the same speed, and bfloat16 needs no loss scale.
    """
    if dtype != "float16" or device.type != "cpu" or _cpu_computes_half():
        return dtype
    warn_once(logger, "DTYPE is float16, but this CPU has no half-precision arithmetic: going on in bfloat16")
    return "bfloat16"


def _cpu_computes_half() -> bool:
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())


def autocast(device: torch.device, dtype: str) -> AbstractContextManager:
    """Mixed precision as DTYPE asks: torch.autocast for float16 and bfloat16, nothing for float32."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, dtype))


def make_scaler(device: torch.device, dtype: str) -> torch.amp.GradScaler:
    """The loss scaler that float16 needs, for its gradients fall out of range; switched off otherwise."""
    return torch.amp.GradScaler(device.type, enabled=dtype == "float16")


def momentum_of(optimizer: torch.optim.Optimizer) -> dict[Tensor, Tensor]:
    """Parameter -> its momentum, for the parameters that have been updated."""
    buffers = {parameter: state.get("momentum_buffer") for parameter, state in optimizer.state.items()}
    return {parameter: buffer for parameter, buffer in buffers.items() if buffer is not None}


@torch.no_grad()
def require_finite(model: nn.Module, optimizer: torch.optim.Optimizer, when: str, *, buffers: bool = True) -> None:
    """
    UserError, with `when` and up to three names, where a weight, a momentum or, with `buffers`, a buffer is not finite:
    such a run cannot go on. Waits once for the device.
    """
    momentum = momentum_of(optimizer)
    tensors = dict(model.state_dict() if buffers else model.named_parameters())
    tensors |= {
        f"momentum of {name}": momentum[parameter]
        for name, parameter in model.named_parameters()
        if parameter in momentum
    }
    finite = torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).tolist() if tensors else []
    bad = [name for name, good in zip(tensors, finite, strict=True) if not good]
    if bad:
        raise UserError(
            f"{when}: {some(bad, 3, quoted=False)} not finite. Stopped; the same command goes on from the checkpoint"
            " before, and a lower SOLVER.BASE_LR, a longer SOLVER.WARMUP_ITERS or DTYPE bfloat16 instead of float16"
            " may help"
        )


@dataclass
class StepResult:
    """
    Attributes:
        losses: weighted losses by name, means over the accumulated batches, detached scalars of this process.
        logged: what the model reports beside its losses.
        gradient_norm: over all trained parameters, before clipping.
    """

    losses: dict[str, Tensor]
    logged: dict[str, Tensor]
    gradient_norm: Tensor

    def values(self) -> dict[str, float]:
        """Everything as numbers, losses averaged over processes; "loss" is their sum. Every process has to call it."""
        losses, norm = mean_values(self.losses), float(self.gradient_norm)
        return {"loss": sum(losses.values()), **losses, **mean_values(self.logged), "gradient_norm": norm}


@dataclass
class TrainingStep:
    """
    Updates the model by the next batches of a loader.

    Attributes:
        model: `model(images, targets)` returns a dict of weighted losses; `model.logged` holds
            scalars to report.
        dtype: DTYPE.
        clip: largest gradient norm over all parameters; 0: no limit.
        accumulate: batches whose gradients are averaged before the update.
        skip_nonfinite: how many updates in a row may be skipped because a loss or gradient is not finite.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device
    dtype: str = "float32"
    clip: float = 5.0
    accumulate: int = 1
    skip_nonfinite: int = 0
    skipped_in_a_row: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]

    def __call__(self, batches: Iterator[Batch], iteration: int) -> StepResult:
        """
        Takes `accumulate` batches and makes one update.

        Raises:
            UserError: a loss or the gradient is not finite, more often in a row than skip_nonfinite allows; names the
                losses, the iteration and the image ids.
        """
        self.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        image_ids: list[str] = []
        for _ in range(self.accumulate):
            batch = next(batch for batch in batches if len(batch))  # all images of one may be left out as unreadable
            image_ids += [str(_image_id(target)) for target in batch.targets]
            for name, loss in self._backward(batch).items():
                losses[name] = losses.get(name, 0) + loss / self.accumulate
        average_gradients(self.parameters)
        touched = any(p.grad is not None for p in self.parameters)
        if touched:
            self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.clip if self.clip > 0 else float("inf"))
        result = StepResult(losses, dict(self.model.logged), norm)
        if not self._is_finite(result):
            self._refuse(result, iteration, image_ids)
            return result
        self.skipped_in_a_row = 0
        if touched:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return result

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of one batch, detached; their gradients are added to the parameters'."""
        batch = batch.to(self.device, non_blocking=True)
        with autocast(self.device, self.dtype):
            losses = self.model(batch.images, batch.targets)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        if total.requires_grad:  # a batch without a loss to minimise is legal
            self.scaler.scale(total / self.accumulate).backward()
        return {name: loss.detach().float() for name, loss in losses.items()}

    def _is_finite(self, result: StepResult) -> bool:
        """
        Whether this update can be made; the same answer in every process.

        A float16 gradient beyond range is no fault while the loss is scaled up: the scaler leaves the update out and
        lowers its scale. Weights and momentum are looked at instead, for what such an update may have done to them.
        """
        norm = result.gradient_norm
        if self.scaler.get_scale() > 1:
            norm = nn.utils.get_total_norm([*self.parameters, *momentum_of(self.optimizer).values()]).detach()
        bad = (~torch.isfinite(torch.stack([*result.losses.values(), norm]))).any().float()
        return float(all_reduce_sum(bad)) == 0

    def _refuse(self, result: StepResult, iteration: int, image_ids: list[str]) -> None:
        """Leaves an update out, with a warning, or stops."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.scaler.is_enabled():
            self.scaler.update(self.scaler.get_scale())
        self.skipped_in_a_row += 1
        found = [f"{name} = {float(loss)}" for name, loss in result.losses.items() if not torch.isfinite(loss)]
        # Not the buffers: this very forward may have carried its images' numbers into running statistics.
        require_finite(self.model, self.optimizer, f"before iteration {iteration}", buffers=False)
        if not found and not torch.isfinite(result.gradient_norm):
            found = [f"gradient norm = {float(result.gradient_norm)}"]
        found, ids = (
            list(dict.fromkeys(sum(lists, []))) for lists in zip(*all_gather_objects((found, image_ids)), strict=True)
        )
        what = f"iteration {iteration}: {', '.join(found)} is not finite; image ids {some(ids, 24, quoted=False)}"
        if self.skipped_in_a_row > self.skip_nonfinite:
            raise UserError(
                f"{what}. Stopped; a lower SOLVER.BASE_LR, a longer SOLVER.WARMUP_ITERS or DTYPE bfloat16 instead of"
                f" float16 may help, SOLVER.SKIP_NONFINITE N skips up to N in a row (now {self.skip_nonfinite})"
            )
        require_finite(self.model, self.optimizer, f"{what}. Not to be skipped")
        logger.warning(
            f"{what}. Skipped ({self.skipped_in_a_row} in a row, SOLVER.SKIP_NONFINITE {self.skip_nonfinite})"
        )


def _image_id(target: BoxList) -> int:
    return target.get_field("image_id") if target.has_field("image_id") else -1
