"""Losses over pairs and entities: cross-entropies and their weights."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.averaging import mean_over_processes
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)


def cross_entropy(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """
    Cross-entropy in float32, averaged over the rows of all processes.

    Args:
        logits: (n, C). labels: (n,).
        class_weights: (C,); the mean is then the weighted one, sum of w·loss over sum of w.
        smoothing: ε of label smoothing: targets are 1 − ε + ε/C and ε/C.
    """
    labels = labels.long()
    losses = F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
    if class_weights is None:
        return mean_over_processes(losses.sum(), len(losses))
    weights = class_weights[labels]
    return mean_over_processes((losses * weights).sum(), weights.sum())


class PredicateWeights(nn.Module):
    """Class weights of `loss_rel` in the course of a training."""

    def __init__(self, start: Tensor, falling: Tensor | None = None, *, iterations: int = 1, floor: float = 0.0):
        """
        Args:
            start: (K,), before anything falls. falling: (K,) bool, the predicates that lose their weight; None: none
                do.
            iterations: in which their factor would fall from 1 to 0 along a line. floor: at which it stops.
        """
        super().__init__()
        self.register_buffer("start", start, persistent=False)
        self.register_buffer("falling", falling, persistent=False)
        self.iterations, self.floor = iterations, floor

    def factor(self, iteration: int) -> float:
        """What the falling weights are multiplied by in an iteration, from 1."""
        return max(1.0 - iteration / self.iterations, self.floor)

    def at(self, iteration: int) -> Tensor:
        """(K,) weights in an iteration, from 1."""
        if self.falling is None:
            return self.start
        return torch.where(self.falling, self.start * self.factor(iteration), self.start)


def effective_number_weights(counts: np.ndarray, beta: float) -> Tensor:
    """
    Weights by the effective number of examples, (1 − β) / (1 − βⁿ) (Cui et al., CVPR 2019), scaled to the sum K.

    Args:
        counts: (K,) examples n of each predicate; a predicate without any counts as one, the background (its entry is
            not read) as infinitely many.
        beta: β.
    Returns:
        (K,) float32.
    """
    counts = np.maximum(np.asarray(counts, dtype=np.float64), 1.0)
    counts[0] = np.inf
    weights = (1.0 - beta) / -np.expm1(counts * np.log(beta))
    return torch.tensor(weights * len(weights) / weights.sum(), dtype=torch.float32)


def most_frequent(counts: np.ndarray, share: float) -> Tensor:
    """(K,) bool: the rounded `share` of the K − 1 foreground predicates with most examples; the first of equals."""
    counts = np.asarray(counts, dtype=np.float64)[1:]
    order = np.argsort(-counts, kind="stable")[: round(share * len(counts))]
    found = torch.zeros(len(counts) + 1, dtype=torch.bool)
    found[torch.from_numpy(order) + 1] = True
    return found


def configured_weights(cfg: Config, meta: DatasetMeta) -> PredicateWeights | None:
    """
    The weights that MODEL.USE_REWEIGHT and MODEL.REWEIGHT_* ask for, as SPLN's released code computes them:
    CLASS_BALANCED by the examples of each predicate, PENET with the curriculum on top (the weights of the most frequent
    ones fall). None for NONE.

    Args:
        meta: examples are the totals that the data set's dictionary states (VG150's; all of Visual Genome), else the
            training counts.
    Raises:
        UserError: neither totals nor statistics.
    """
    model = cfg.MODEL
    if model.USE_REWEIGHT == "NONE":
        return None
    counts = meta.predicate_counts() if meta.predicate_totals is None else meta.predicate_totals
    if counts is None:
        raise UserError(
            f"MODEL.USE_REWEIGHT {model.USE_REWEIGHT} needs the training statistics of these {meta.num_predicates - 1}"
            " predicates, and there are none; set MODEL.USE_REWEIGHT NONE or name the training data set in"
            " DATASETS.TRAIN"
        )
    start = effective_number_weights(counts, model.REWEIGHT_BETA)
    if start[0] < 0.1 * start[1:].min():
        most = max(int(counts[1:].max()), 1)
        warn_once(
            logger,
            f"MODEL.REWEIGHT_BETA {model.REWEIGHT_BETA} is for more examples than there are: the most frequent"
            f" predicate has {most}, and background pairs weigh {start[0] / start[1:].min():.3f} of one of its; 1 - 1 /"
            f" examples would be {1 - 1 / most:.5f}",
        )
    if model.USE_REWEIGHT == "CLASS_BALANCED":
        return PredicateWeights(start)
    falling = most_frequent(counts, model.REWEIGHT_HEAD_SHARE)
    return PredicateWeights(start, falling, iterations=model.REWEIGHT_CURRICULUM, floor=model.REWEIGHT_FLOOR)


def predicate_weights(cfg: Config, meta: DatasetMeta, iteration: int) -> Tensor | None:
    """(K,) weights of `loss_rel` in an iteration, from 1; None without reweighting. Errors: `configured_weights`."""
    weights = configured_weights(cfg, meta)
    return None if weights is None else weights.at(iteration)


class RelationLoss(nn.Module):
    """
    `loss_rel` over the sampled pairs, background included, and `loss_refine_obj` over all entities (not in PredCls).

    Attributes:
        iteration: of the training, from 1, that the next losses belong to; weights may depend on it.
    """

    def __init__(self, *, weights: PredicateWeights | None = None, smoothing: float = 0.0, refine_labels: bool = True):
        """smoothing: ε of label smoothing in both. refine_labels: False in PredCls, whose labels are ground truth."""
        super().__init__()
        self.weights = weights
        self.smoothing = smoothing
        self.refine_labels = refine_labels
        self.iteration = 1
        self.logged: dict[str, Tensor] = {}

    def forward(
        self, relation_logits: Tensor, rel_labels: Tensor, entity_logits: Tensor, object_labels: Tensor
    ) -> dict[str, Tensor]:
        """(P, K), (P,), (N, O), (N,) -> the losses by name. `logged` then has the factor of a curriculum."""
        class_weights = None if self.weights is None else self.weights.at(self.iteration)
        if self.weights is not None and self.weights.falling is not None:
            self.logged = {"reweight_factor": torch.tensor(self.weights.factor(self.iteration))}
        losses = {"loss_rel": cross_entropy(relation_logits, rel_labels, class_weights, self.smoothing)}
        if self.refine_labels:
            losses["loss_refine_obj"] = cross_entropy(entity_logits, object_labels, smoothing=self.smoothing)
        return losses
