"""
SPLN's visual prototypes: the mean union feature of each predicate's ground-truth pairs, in one pass over the training
images.
"""

from collections.abc import Iterable, Sequence
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
    """Sums and counts of union features by predicate, in float64; K predicates with background, F wide."""

    def __init__(self, num_predicates: int, width: int):
        self.sums = torch.zeros(num_predicates, width, dtype=torch.float64)
        self.counts = torch.zeros(num_predicates, dtype=torch.int64)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """(p, F) features of ground-truth pairs and their predicates (p,)."""
        labels = labels.long().cpu()
        self.sums.index_add_(0, labels, features.detach().double().cpu())
        self.counts.index_add_(0, labels, torch.ones_like(labels))

    def result(self, device: torch.device, seed: int) -> tuple[Tensor, Tensor]:
        """
        Means over all processes: bank (K, F) float32, counts (K,). A row without an example, the background's among
        them, is drawn from the standard normal by `seed`, as published.

        Raises:
            UserError: there is no ground-truth pair at all.
        """
        sums, counts = all_reduce_sum(self.sums.to(device)).cpu(), all_reduce_sum(self.counts.to(device)).cpu()
        if not counts.any():
            raise UserError("no annotated pair in the training split: there is nothing to make visual prototypes of")
        drawn = torch.randn(sums.shape, generator=torch.Generator().manual_seed(seed))
        bank = torch.where((counts > 0).unsqueeze(1), (sums / counts.clamp(min=1).unsqueeze(1)).float(), drawn)
        return bank, counts


def extract_visual_prototypes(
    model: nn.Module,
    batches: Iterable[tuple[ImageList, Sequence[BoxList]]],
    predicates: Sequence[str],
    *,
    path: str | Path,
    source: str,
    seed: int,
    total: int | None = None,
) -> Tensor:
    """
    Writes the file of visual prototypes; nothing is trained.

    Args:
        model: a GeneralizedRCNN in PredCls or SGCls.
        batches: images and targets of the training split, each image once, not mirrored; with several processes, each
            its share.
        predicates: K names, background first.
        path: the file. source: what the weights are, in words, kept in the file. seed: of rows without example.
        total: number of batches, for the progress bar.
    Returns:
        The bank (K, V).
    """
    means = UnionMeans(len(predicates), model.roi_heads.relation.union_feature_extractor.out_channels)
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        for images, targets in progress(batches, total=total, desc="visual prototypes", unit="batch"):
            relations = [target.get_field("relation_tuple").long().reshape(-1, 3) for target in targets]
            unions, _ = model.regions(images, targets).pair_features([rows[:, :2] for rows in relations])
            means.add(unions, torch.cat(relations)[:, 2])
    bank, counts = means.result(device, seed)
    empty = [name for name, count in zip(predicates, counts.tolist(), strict=True) if count == 0]
    logger.warning(f"no training example of {', '.join(empty)}: drawn from the standard normal instead, seed {seed}")
    if is_main_process():
        write_prototypes(path, bank, predicates, counts=counts, source=source)
        logger.info(f"{path}: {len(bank)} visual prototypes, {bank.size(1)} wide, from {int(counts.sum())} pairs")
    return bank
