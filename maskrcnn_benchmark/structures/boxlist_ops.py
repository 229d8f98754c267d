"""Operations on boxes and lists of boxes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.device import to_host

# Fields that ground-truth boxes keep where they take the place of detections.
GROUND_TRUTH_FIELDS = ("labels", "image_id", "epoch")


def union_boxes(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """The smallest box around row i of both, (n, 4) and (n, 4) xyxy -> (n, 4)."""
    low, high = torch.minimum(boxes_a, boxes_b), torch.maximum(boxes_a, boxes_b)
    return torch.cat([low[:, :2], high[:, 2:]], dim=1)


def ground_truth_entities(targets: Sequence[BoxList]) -> list[BoxList]:
    """Ground-truth boxes as the entities of PredCls and SGCls: with labels, and with the ids of their images."""
    boxes = [target.convert("xyxy") for target in targets]
    return [own.copy_with_fields(name for name in GROUND_TRUTH_FIELDS if own.has_field(name)) for own in boxes]


def with_field(lists: Sequence[BoxList], name: str, values: Tensor) -> list[BoxList]:
    """The lists with one more field, whose rows (sum of their lengths, ...) lie list by list in `values`."""
    widened = [boxes.copy_with_fields(boxes.fields()) for boxes in lists]
    for boxes, own in zip(widened, values.split([len(boxes) for boxes in lists]), strict=True):
        boxes.add_field(name, own)
    return widened


def on_cpu(lists: Sequence[BoxList], fields: Sequence[str] | None = None) -> list[BoxList]:
    """
    Lists of boxes on the CPU, all copied together with one wait for the device.

    Args:
        fields: those to take along, where a list has them; None: all.
    """
    chosen = [
        boxes.copy_with_fields(name for name in (boxes.fields() if fields is None else fields) if boxes.has_field(name))
        for boxes in lists
    ]
    values = [value for boxes in chosen for value in (boxes.bbox, *map(boxes.get_field, boxes.fields()))]
    host = iter(to_host([value for value in values if isinstance(value, Tensor)]))
    return [boxes.mapped(lambda _: next(host)) for boxes in chosen]
