"""
A detector's way from the maps of one image to its boxes, the same as the detector's own for a batch of one image, with
shapes that a graph can keep.

The detector's selection (rpn/proposals.py, box_head/postprocess.py) takes boxes apart by how many each image has and
compares such counts with its limits: Python numbers that torch.export cannot know. Here a box that falls away is one
with a mark; decoding and a level's best are shared.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.layers import batched_nms
from maskrcnn_benchmark.modeling.roi_heads.box_head.postprocess import BoxPostProcessor
from maskrcnn_benchmark.structures.bounding_box import BoxList


def one_image_proposals(rpn: nn.Module, maps: Sequence[Tensor], size: Tensor) -> tuple[Tensor, Tensor]:
    """
    Args:
        rpn: an RPN; its selector for tests counts.
        maps: (1, C, H_l, W_l) a level. size: (2,) width and height of the unpadded image.
    Returns:
        boxes (k, 4), best first, and which of them count (k,) bool.
    """
    selector = rpn.test_selector
    anchors = rpn.anchor_generator([level.shape[-2:] for level in maps])
    best = [selector._best_of_level(*level) for level in zip(anchors, *rpn.head(maps), strict=True)]
    boxes, scores = (torch.cat([part[0] for part in parts]) for parts in zip(*best, strict=True))
    boxes = _clipped(boxes, size)
    kept = (boxes[:, 2:] - boxes[:, :2] + 1 >= selector.min_size).all(dim=1)
    if selector.nms_threshold > 0:
        level = torch.cat([torch.full_like(part[1][0], i, dtype=torch.int64) for i, part in enumerate(best)])
        # Small boxes are a group of their own.
        kept = kept & _is_among(batched_nms(boxes, scores, level.where(kept, len(best)), selector.nms_threshold), kept)
    # A level's candidates lie best first.
    parts = kept.split([part[1].size(1) for part in best])
    kept = torch.cat([part & (part.long().cumsum(0) <= selector.post_nms) for part in parts])
    order = scores.masked_fill(~kept, -1).argsort(descending=True, stable=True)
    order = order[: selector.total if len(best) > 1 else selector.post_nms]
    return boxes[order], kept[order]


def one_image_detections(
    box_head: nn.Module, maps: Sequence[Tensor], proposals: Tensor, counts: Tensor, size: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """
    Args:
        box_head: a ROIBoxHead. maps, size: as in one_image_proposals.
        proposals: (k, 4). counts: (k,) bool, which of them are there at all.
    Returns:
        What BoxPostProcessor keeps, in its order: boxes (n, 4), labels (n,), logits (n, O), boxes_per_class (n, O, 4).
    """
    logits, offsets = box_head.predictor(box_head.feature_extractor(maps, [in_canvas(proposals, maps)]))
    keeps, coder = box_head.post_processor, box_head.coder
    scores = logits.softmax(dim=1)
    boxes = _clipped(coder.decode(offsets, proposals), size)
    if boxes.size(1) != logits.size(1):  # one regression for all classes
        boxes = boxes[:, -1:].expand(-1, logits.size(1), -1)
    row, label = _chosen(keeps, _survivors(keeps, scores, boxes, counts))
    return boxes[row, label], label, logits[row], boxes[row]


def _survivors(keeps: BoxPostProcessor, scores: Tensor, boxes: Tensor, counts: Tensor) -> Tensor:
    """(k, O) scores of what suppression within a class leaves, 0 elsewhere."""
    likely = (scores > keeps.score_threshold) & counts[:, None]
    likely = torch.cat([torch.zeros_like(likely[:, :1]), likely[:, 1:]], dim=1)
    row, label = likely.nonzero().unbind(1)
    kept = batched_nms(boxes[row, label], scores[row, label], label, keeps.nms_threshold)
    left = torch.zeros_like(scores).index_put((row[kept], label[kept]), scores[row[kept], label[kept]])
    place = left.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    return left.where(place < keeps.per_class, 0)


def _chosen(keeps: BoxPostProcessor, left: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and classes of the detections among (k, O) scores."""
    label = torch.arange(left.size(1), device=left.device).expand_as(left)
    if keeps.filter_duplicates:
        left, label = left.max(dim=1, keepdim=True)
    stays = left > 0
    if keeps.per_image > 0:
        flat = left.flatten()
        stays = stays & (left >= flat.topk(min(keeps.per_image, flat.size(0))).values[-1:])
    # Class by class where a box may have several.
    column, row = stays.t().nonzero().unbind(1)
    return row, label[row, column]


def in_canvas(boxes: Tensor, maps: Sequence[Tensor]) -> BoxList:
    """Boxes for a feature extractor, which asks for no frame: they get that of the finest map."""
    return BoxList(boxes, (maps[0].size(3), maps[0].size(2)))


def _clipped(boxes: Tensor, size: Tensor) -> Tensor:
    """(..., 4) xyxy cut to 0 … W − 1 and 0 … H − 1 of an image of (2,) width and height."""
    return torch.minimum(boxes.clamp(min=0), size.to(boxes.dtype).repeat(2) - 1)


def _is_among(rows: Tensor, like: Tensor) -> Tensor:
    """(n,) bool, as long as `like`: true at the rows."""
    return torch.zeros_like(like).index_fill(0, rows, True)
