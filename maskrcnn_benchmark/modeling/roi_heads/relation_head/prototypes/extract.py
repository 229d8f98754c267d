"""SPLN's visual prototypes: the mean union feature of each predicate's ground-truth pairs of the training images."""

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
    Writes the file of visual prototypes; nothing is trained. A row without an example, the background's among them, is
    drawn from the standard normal, as published.

    Args:
        model: a GeneralizedRCNN in PredCls or SGCls.
        batches: images and targets of the training split, each image once, not mirrored; with several processes, each
            its share.
        predicates: K names, background first.
        path: the file. source: what the weights are, in words, kept in the file. seed: of rows without example.
        total: number of batches, for the progress bar.
    Returns:
        The bank (K, V).
    Raises:
        UserError: there is no ground-truth pair at all.
    """
    width = model.roi_heads.relation.union_feature_extractor.out_channels
    sums = torch.zeros(len(predicates), width, dtype=torch.float64)
    counts = torch.zeros(len(predicates), dtype=torch.int64)
    model.eval()
    with torch.no_grad():
        for images, targets in progress(batches, total=total, desc="visual prototypes", unit="batch"):
            relations = [target.get_field("relation_tuple").long().reshape(-1, 3) for target in targets]
            unions, _ = model.regions(images, targets).pair_features([rows[:, :2] for rows in relations])
            labels = torch.cat(relations)[:, 2].cpu()
            sums.index_add_(0, labels, unions.double().cpu())
            counts += labels.bincount(minlength=len(counts))
    device = next(model.parameters()).device
    sums, counts = all_reduce_sum(sums.to(device)).cpu(), all_reduce_sum(counts.to(device)).cpu()
    if not counts.any():
        raise UserError("no annotated pair in the training split: there is nothing to make visual prototypes of")
    drawn = torch.randn(sums.shape, generator=torch.Generator().manual_seed(seed))
    bank = torch.where((counts > 0)[:, None], (sums / counts.clamp(min=1)[:, None]).float(), drawn)
    empty = [name for name, count in zip(predicates, counts.tolist(), strict=True) if count == 0]
    logger.warning(f"no training example of {', '.join(empty)}: drawn from the standard normal instead, seed {seed}")
    if is_main_process():
        write_prototypes(path, bank, predicates, counts=counts, source=source)
        logger.info(f"{path}: {len(bank)} visual prototypes, {bank.size(1)} wide, from {int(counts.sum())} pairs")
    return bank
