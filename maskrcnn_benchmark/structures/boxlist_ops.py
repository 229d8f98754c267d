"""Operations on boxes and lists of boxes, all with the +1 pixel convention: a box is x2 - x1 + 1 wide."""

from collections.abc import Sequence

import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import IMAGE_FIELDS, BoxList
from maskrcnn_benchmark.utils.device import to_host

# Fields of an annotation that its boxes keep where they stand in for detections.
GIVEN_FIELDS = ("labels", "image_id", "epoch")


def box_area(boxes: Tensor) -> Tensor:
    """Areas of boxes (n, 4) xyxy -> (n,)."""
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


def _overlap(low_a: Tensor, high_a: Tensor, low_b: Tensor, high_b: Tensor) -> Tensor:
    """Area shared by boxes given by their low and high corners (..., 2), broadcast -> (...)."""
    sides = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b) + 1).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def box_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """IoU of every pair, (n, 4) and (m, 4) xyxy -> (n, m)."""
    shared = _overlap(boxes_a[:, None, :2], boxes_a[:, None, 2:], boxes_b[None, :, :2], boxes_b[None, :, 2:])
    return shared / (box_area(boxes_a)[:, None] + box_area(boxes_b)[None, :] - shared)


def pairwise_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """IoU of row i of one with row i of the other, (n, 4) and (n, 4) xyxy -> (n,)."""
    shared = _overlap(boxes_a[:, :2], boxes_a[:, 2:], boxes_b[:, :2], boxes_b[:, 2:])
    return shared / (box_area(boxes_a) + box_area(boxes_b) - shared)


def union_boxes(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """The smallest box around row i of both, (n, 4) and (n, 4) xyxy -> (n, 4)."""
    return torch.cat(
        [torch.minimum(boxes_a[:, :2], boxes_b[:, :2]), torch.maximum(boxes_a[:, 2:], boxes_b[:, 2:])], dim=1
    )


def boxlist_iou(boxlist_a: BoxList, boxlist_b: BoxList) -> Tensor:
    """IoU of every pair of boxes of two lists over the same image -> (n, m). ValueError if the image sizes differ."""
    if boxlist_a.size != boxlist_b.size:
        raise ValueError(
            f"boxlist_iou: boxes must be in one frame, got images of {boxlist_a.size} and {boxlist_b.size}"
        )
    return box_iou(boxlist_a.convert("xyxy").bbox, boxlist_b.convert("xyxy").bbox)


def remove_small_boxes(boxlist: BoxList, min_size: float) -> BoxList:
    """The boxes whose width and height are both at least `min_size` pixels."""
    sides = boxlist.convert("xywh").bbox[:, 2:]
    return boxlist[(sides >= min_size).all(dim=1)]


def keep_boxes(boxlist: BoxList, keep: Tensor) -> BoxList:
    """
    Some boxes of an annotation, in order, with the relations among them renumbered.

    Args:
        boxlist: may have `relation_tuple` (r, 3) subject row, object row, predicate.
        keep: (n,) bool.
    Returns:
        The boxes where `keep` is set; relations that touch another box are gone.
    """
    kept = boxlist[keep]
    if boxlist.has_field("relation_tuple"):
        relations = boxlist.get_field("relation_tuple")
        new_row = torch.cumsum(keep, dim=0) - 1
        inside = keep[relations[:, 0]] & keep[relations[:, 1]]
        relations = relations[inside]
        kept.add_field(
            "relation_tuple", torch.stack([new_row[relations[:, 0]], new_row[relations[:, 1]], relations[:, 2]], dim=1)
        )
    return kept


def cat_boxlist(boxlists: Sequence[BoxList]) -> BoxList:
    """
    One list of all boxes of several lists over the same image, with the per-box fields that all of them have.

    Raises:
        ValueError: no list at all, or sizes, modes or per-box fields that differ.
    """
    if not boxlists:
        raise ValueError("cat_boxlist: nothing to join")
    first = boxlists[0]
    names = sorted(set(first.fields()) - IMAGE_FIELDS)
    for other in boxlists[1:]:
        found = (other.size, other.mode, sorted(set(other.fields()) - IMAGE_FIELDS))
        if found != (first.size, first.mode, names):
            raise ValueError(
                f"cat_boxlist: size, mode and fields must agree, got {(first.size, first.mode, names)} and {found}"
            )
    joined = BoxList(torch.cat([boxlist.bbox for boxlist in boxlists]), first.size, first.mode)
    for name in names:
        joined.add_field(name, torch.cat([boxlist.get_field(name) for boxlist in boxlists]))
    return joined


def given_boxes(targets: Sequence[BoxList]) -> list[BoxList]:
    """Annotated boxes as the entities of PredCls and SGCls: with labels, and with what their images are known by."""
    boxes = [target.convert("xyxy") for target in targets]
    return [own.copy_with_fields(name for name in GIVEN_FIELDS if own.has_field(name)) for own in boxes]


def on_cpu(lists: Sequence[BoxList], fields: Sequence[str] | None = None) -> list[BoxList]:
    """
    Lists of boxes on the CPU, all copied together with one wait for the device.

    Args:
        fields: those to take along, where a list has them; None: all.
    """
    names = [
        [name for name in (boxes.fields() if fields is None else fields) if boxes.has_field(name)] for boxes in lists
    ]
    tensors = [[boxes.bbox, *(boxes.get_field(name) for name in own)] for boxes, own in zip(lists, names, strict=True)]
    host = iter(to_host([value for own in tensors for value in own if isinstance(value, Tensor)]))
    moved = []
    for boxes, own, values in zip(lists, names, tensors, strict=True):
        values = [next(host) if isinstance(value, Tensor) else value for value in values]
        moved.append(BoxList(values[0], boxes.size, boxes.mode))
        for name, value in zip(own, values[1:], strict=True):
            moved[-1].add_field(name, value)
    return moved
