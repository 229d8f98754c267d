"""Losses over pairs and entities: cross-entropies, their weights, and means over all processes."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config import cfg as default_cfg
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.utils.distributed import all_reduce_sum, world_size
from maskrcnn_benchmark.utils.errors import UserError

# Share of the background in PE-Net's published table of predicate shares.
BACKGROUND_SHARE = 0.5


def mean_over_processes(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """
    Weighted mean of this process's values (n,) over the values of all processes; 0 where there are none at all.

    Each process returns its own sum · processes / total weight. The average over the processes, which is what gradient averaging takes,
    is the mean over all values.
    """
    total = values.sum() if weights is None else (values * weights).sum()
    weight = values.new_tensor(float(len(values))) if weights is None else weights.sum()
    weight = all_reduce_sum(weight)
    return total * world_size() / torch.where(weight > 0, weight, torch.ones_like(weight))


def cross_entropy(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """
    Cross-entropy in float32, averaged over the rows of all processes.

    Args:
        logits: (n, C). labels: (n,).
        class_weights: (C,); the mean is then the weighted one, sum of w·loss over sum of w.
        smoothing: ε of label smoothing: targets are 1 − ε + ε/C and ε/C.
    """
    labels = labels.long()
    losses = F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
    return mean_over_processes(losses, None if class_weights is None else class_weights[labels])


def inverse_share_weights(shares: Sequence[float]) -> Tensor:
    """PE-Net's weights: 1 / share of each predicate, background's share taken as 0.5. (K − 1,) shares -> (K,)."""
    return 1.0 / torch.tensor([BACKGROUND_SHARE, *shares], dtype=torch.float32)


def class_balanced_weights(counts: np.ndarray, beta: float, background: float) -> Tensor:
    """
    Weights by the effective number of examples (Cui et al., CVPR 2019): (1 − β) / (1 − β^n), as PE-Net's authors describe for their
    reweighted model.

    Args:
        counts: (K,) examples of each predicate, background's entry not read.
        beta: β, the authors' is 0.99999.
        background: weight of background pairs, where the examples of all predicates weigh 1 on average.
    Returns:
        (K,) float32.
    """
    counts = np.maximum(np.asarray(counts, dtype=np.float64)[1:], 1.0)
    weights = (1.0 - beta) / -np.expm1(counts * np.log(beta))
    weights = weights * counts.sum() / (weights * counts).sum()
    return torch.tensor([background, *weights], dtype=torch.float32)


def relation_class_weights(
    method: str, meta: DatasetMeta, shares: Sequence[float], *, shares_are_default: bool, beta: float, background: float
) -> Tensor | None:
    """
    The weights of `loss_rel` that MODEL.USE_REWEIGHT asks for.

    Args:
        method: NONE, PENET or CLASS_BALANCED.
        meta: names and statistics of the training data.
        shares: REL_PROP, the share of each predicate but background. Given ones of the right length serve as they are; VG150's default
            serves VG150's predicates only, others are counted in `meta`.
        shares_are_default: whether `shares` is the default.
        beta, background: of CLASS_BALANCED.
    Returns:
        (K,), or None for NONE.
    Raises:
        UserError: unknown method, or neither shares nor statistics for these predicates.
    """
    if method not in ("NONE", "PENET", "CLASS_BALANCED"):
        raise UserError(f"MODEL.USE_REWEIGHT is '{method}'; it can be NONE, PENET or CLASS_BALANCED")
    if method == "NONE":
        return None
    counts = meta.predicate_counts()
    foreground = len(meta.predicates) - 1
    if method == "PENET":
        if not shares_are_default and len(shares) != foreground:
            raise UserError(
                f"MODEL.ROI_RELATION_HEAD.REL_PROP has {len(shares)} shares; the data set has {foreground} predicates without background"
            )
        if not shares_are_default or (is_vg150(meta) and len(shares) == foreground):
            return inverse_share_weights(shares)
    if counts is None:
        raise UserError(
            f"MODEL.USE_REWEIGHT {method} needs the training statistics of these {foreground} predicates, and there are none; "
            "set MODEL.USE_REWEIGHT NONE or name the training data set in DATASETS.TRAIN"
        )
    if method == "PENET":
        counts = np.maximum(counts[1:], 1).astype(np.float64)
        return inverse_share_weights((counts / counts.sum()).tolist())
    return class_balanced_weights(counts, beta, background)


def configured_class_weights(cfg: Config, meta: DatasetMeta) -> Tensor | None:
    """`relation_class_weights` as MODEL.USE_REWEIGHT, REWEIGHT_BETA, REWEIGHT_BACKGROUND and ROI_RELATION_HEAD.REL_PROP have it."""
    shares = cfg.MODEL.ROI_RELATION_HEAD.REL_PROP
    return relation_class_weights(
        cfg.MODEL.USE_REWEIGHT,
        meta,
        shares,
        shares_are_default=list(shares) == list(default_cfg.MODEL.ROI_RELATION_HEAD.REL_PROP),
        beta=cfg.MODEL.REWEIGHT_BETA,
        background=cfg.MODEL.REWEIGHT_BACKGROUND,
    )


def is_vg150(meta: DatasetMeta) -> bool:
    """Whether the predicates are VG150's, of which REL_PROP's default holds the shares: 50, alphabetically from 'above' to 'with'."""
    names = list(meta.predicates)[1:]
    return len(names) == 50 and names[0] == "above" and names[-1] == "with" and names == sorted(names)


def logit_adjustment(meta: DatasetMeta, strength: float) -> Tensor | None:
    """
    What is added to the logits inside a cross-entropy in training, so that rare predicates are learned with a margin (Menon et al.,
    Long-tail learning via logit adjustment, ICLR 2021). Logits at test stay as they are, and so are balanced.

    Args:
        meta: names and statistics of the training data.
        strength: τ, 0 nothing, 1 full balance.
    Returns:
        (K,): τ · ln(examples of the predicate), shifted to an average of 0 over all annotated pairs, 0 for the background; None at τ = 0.
    Raises:
        UserError: no statistics.
    """
    if strength == 0:
        return None
    counts = meta.predicate_counts()
    if counts is None:
        raise UserError("MODEL.LOGIT_ADJUSTMENT needs the training statistics of the data set, and there are none; set it to 0")
    counts = np.maximum(counts[1:], 1).astype(np.float64)
    logs = np.log(counts)
    return torch.tensor([0.0, *(strength * (logs - (counts * logs).sum() / counts.sum()))], dtype=torch.float32)


class RelationLoss(nn.Module):
    """`loss_rel` over the sampled pairs, background included, and `loss_refine_obj` over all entities, which PredCls leaves out."""

    def __init__(
        self,
        *,
        class_weights: Tensor | None = None,
        adjustment: Tensor | None = None,
        smoothing: float = 0.0,
        refine_labels: bool = True,
    ):
        """
        Args:
            class_weights: (K,) of the predicates, or None.
            adjustment: (K,) added to the relation logits, or None (`logit_adjustment`).
            smoothing: ε of label smoothing in both.
            refine_labels: False in PredCls, where the labels are given.
        """
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("adjustment", adjustment, persistent=False)
        self.smoothing = smoothing
        self.refine_labels = refine_labels

    def forward(self, relation_logits: Tensor, rel_labels: Tensor, entity_logits: Tensor, object_labels: Tensor) -> dict[str, Tensor]:
        """(P, K), (P,), (N, O), (N,) -> the losses by name."""
        if self.adjustment is not None:
            relation_logits = relation_logits + self.adjustment
        losses = {"loss_rel": cross_entropy(relation_logits, rel_labels, self.class_weights, self.smoothing)}
        if self.refine_labels:
            losses["loss_refine_obj"] = cross_entropy(entity_logits, object_labels, smoothing=self.smoothing)
        return losses
