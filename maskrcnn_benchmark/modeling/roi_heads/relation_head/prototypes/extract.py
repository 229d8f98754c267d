"""Visual prototypes: the mean union feature of each predicate's annotated pairs, in one pass over the training images."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.image_list import ImageList
from maskrcnn_benchmark.utils.distributed import all_reduce_sum, is_main_process
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress

logger = get_logger(__name__)

# A parameter that a detector's file cannot fill: loaded, the union extractor is a trained one.
TRAINED_SIGN = "roi_heads.relation.union_feature_extractor.rect_conv.0.weight"


class UnionMeans:
    """Sums and counts of union features by predicate, in float64; K predicates with background, V wide."""

    def __init__(self, num_predicates: int, width: int, *, features: str):
        """`features` says where the features come from: detector or relation."""
        self.features = features
        self.sums = torch.zeros(num_predicates, width, dtype=torch.float64)
        self.counts = torch.zeros(num_predicates, dtype=torch.int64)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """(p, V) features of annotated pairs and their predicates (p,)."""
        labels = labels.long().cpu()
        self.sums.index_add_(0, labels, features.detach().double().cpu())
        self.counts.index_add_(0, labels, torch.ones_like(labels))

    def result(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """
        Means over all processes: bank (K, V) float32, counts (K,). The background, and a predicate without an example, has the mean of
        the other predicates' rows.

        Raises:
            UserError: there is no annotated pair at all.
        """
        sums, counts = all_reduce_sum(self.sums.to(device)).cpu(), all_reduce_sum(self.counts.to(device)).cpu()
        seen = counts > 0
        if not seen.any():
            raise UserError("no annotated pair in the training split: there is nothing to make visual prototypes of")
        bank = sums / counts.clamp(min=1).unsqueeze(1)
        bank[~seen] = bank[seen].mean(dim=0)
        return bank.float(), counts


def stored_features(configured: str, loaded: Collection[str]) -> str:
    """
    Which features a store is made of: VIS_PRO_FEATURES, where 'auto' is the relation head's own if these were trained, else the detector's.

    Args:
        configured: auto, detector or relation.
        loaded: names of the parameters that weight files filled.
    Raises:
        UserError: relation features are asked for, and no relation model was loaded.
    """
    trained = TRAINED_SIGN in loaded
    if configured == "relation" and not trained:
        raise UserError(
            "MODEL.ROI_RELATION_HEAD.VIS_PRO_FEATURES is relation, but no file gave weights to the union extractor's masks and reduction, "
            "so its features would be random: name a trained relation model as MODEL.WEIGHT, or set VIS_PRO_FEATURES detector"
        )
    return ("relation" if trained else "detector") if configured == "auto" else configured


def extract_visual_prototypes(
    model: nn.Module,
    batches: Iterable[tuple[ImageList, Sequence[BoxList]]],
    predicates: Sequence[str],
    *,
    features: str,
    path: str | Path,
    source: str,
    total: int | None = None,
) -> Tensor:
    """
    Writes the file of visual prototypes; nothing is trained.

    Args:
        model: a GeneralizedRCNN in a task with given boxes; it is good for nothing else afterwards.
        batches: images and targets of the training split, each image once, not mirrored; with several processes, each its share.
        predicates: K names, background first.
        features: detector or relation.
        path: the file. source: what the weights are, in words, kept in the file.
        total: number of batches, for the progress bar.
    Returns:
        The bank (K, V).
    """
    means = model.roi_heads.relation.collect_unions(len(predicates), features)
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        for images, targets in progress(batches, total=total, desc="visual prototypes", unit="batch"):
            model(images, targets)
    bank, counts = means.result(device)
    empty = [name for name, count in zip(predicates[1:], counts.tolist()[1:], strict=True) if count == 0]
    if empty:
        logger.warning(f"no training example of {', '.join(empty)}: their visual prototype is the mean of all")
    if is_main_process():
        write_prototypes(path, bank, predicates, counts=counts, features=features, source=source)
        logger.info(f"{path}: {len(bank)} visual prototypes, {bank.size(1)} wide, from {int(counts.sum())} pairs ({features} features)")
    return bank
