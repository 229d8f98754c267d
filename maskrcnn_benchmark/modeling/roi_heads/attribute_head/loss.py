"""The loss of the attribute head."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from maskrcnn_benchmark.modeling.averaging import mean_over_processes


@dataclass(frozen=True, kw_only=True)
class AttributeLoss:
    """
    Compares attribute logits with the attributes of boxes.

    Attributes:
        weight: factor of the loss.
        max_attributes: ids of a box that are read.
        binary: each attribute for itself, against all the others together if False.
        pos_weight: weight of an attribute that a box has, in the binary loss.
        sample: boxes without attributes are drawn; if False, all count.
        ratio: how many without are drawn for each with.
    """

    weight: float
    max_attributes: int
    binary: bool
    pos_weight: float
    sample: bool
    ratio: float

    @classmethod
    def from_config(cls, cfg) -> "AttributeLoss":
        """Reads MODEL.ROI_ATTRIBUTE_HEAD."""
        node = cfg.MODEL.ROI_ATTRIBUTE_HEAD
        return cls(
            weight=node.ATTRIBUTE_LOSS_WEIGHT,
            max_attributes=node.MAX_ATTRIBUTES,
            binary=node.USE_BINARY_LOSS,
            pos_weight=node.POS_WEIGHT,
            sample=node.ATTRIBUTE_BGFG_SAMPLE,
            ratio=node.ATTRIBUTE_BGFG_RATIO,
        )

    def __call__(self, logits: Tensor, attributes: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """
        Args:
            logits: (n, A).
            attributes: (n, m) ids of the attributes of each box, a 0 ends the list.
            generator: draws the boxes without attributes; None for torch's own.
        Returns:
            The weighted loss: mean over the boxes of all processes and the columns (binary), or over the boxes of the
            cross-entropy with a distribution even over a box's attributes, all on column 0 for a box without.
        """
        ids = attributes[:, : self.max_attributes]
        rows = self._rows((ids[:, 0] > 0).cpu(), generator).to(logits.device) if self.sample else slice(None)
        logits, wanted = logits[rows], attribute_targets(ids[rows], logits.size(1), logits.dtype)
        if self.binary:
            pos_weight = logits.new_full((logits.size(1),), self.pos_weight)
            total = F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=pos_weight, reduction="sum")
            return self.weight * mean_over_processes(total, logits.numel())
        wanted[:, 0] = (wanted.sum(dim=1) == 0).to(wanted.dtype)
        total = F.cross_entropy(logits, wanted / wanted.sum(dim=1, keepdim=True), reduction="sum")
        return self.weight * mean_over_processes(total, len(logits))

    def _rows(self, has_any: Tensor, generator: torch.Generator | None) -> Tensor:
        """Rows of all boxes with attributes and of some without; of one, if none has any."""
        with_any, without = has_any.nonzero().squeeze(1), (~has_any).nonzero().squeeze(1)
        count = int(len(with_any) * self.ratio) if len(with_any) else 1
        return torch.cat([with_any, without[torch.randperm(len(without), generator=generator)[:count]]])


def attribute_targets(ids: Tensor, num_attributes: int, dtype: torch.dtype) -> Tensor:
    """(n, m) ids, a 0 ends the list -> (n, A) with a 1 for each, 0 in column 0. IndexError for an id from A on."""
    if ids.numel() and int(ids.max()) >= num_attributes:
        raise IndexError(
            f"attribute {int(ids.max())} has no column: MODEL.ROI_ATTRIBUTE_HEAD.NUM_ATTRIBUTES is {num_attributes}"
        )
    listed = (ids > 0).cumprod(dim=1) * ids
    wanted = torch.zeros((len(ids), num_attributes), dtype=dtype, device=ids.device).scatter_(1, listed.long(), 1.0)
    wanted[:, 0] = 0
    return wanted
