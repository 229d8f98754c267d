"""
What is known of the entities' classes, and how it is refined: positions, label vectors, labels.

Names: N entities (boxes) of the whole batch, O object classes with background in column 0, E width of a label vector.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.layers import greedy_labels
from maskrcnn_benchmark.modeling.roi_heads.relation_head.batch_norm import BatchNorm1d
from maskrcnn_benchmark.structures.relation import PairBatch

POSITION_DIM = 128
GROUND_TRUTH_LOGIT = 1000.0


def entity_sizes(image_sizes: Sequence[tuple[int, int]], num_entities: Sequence[int], like: Tensor) -> Tensor:
    """(width, height) in pixels of each entity's unpadded image, (N, 2), on the device and in the type of `like`."""
    sizes = torch.as_tensor(image_sizes, dtype=like.dtype).reshape(-1, 2)
    if len(num_entities) == 1:  # without counting rows, so that a graph of one image can be traced
        return sizes.expand(num_entities[0], 2).to(like.device, non_blocking=True)
    return sizes.repeat_interleave(torch.tensor(num_entities, dtype=torch.long), dim=0).to(
        like.device, non_blocking=True
    )


def box_positions(boxes: Tensor, sizes: Tensor) -> Tensor:
    """
    The nine numbers that say where a box lies.

    Args:
        boxes: (N, 4) xyxy in pixels.
        sizes: (N, 2) width W and height H of the box's image.
    Returns:
        (N, 9): w/W, h/H, cx/W, cy/H, x1/W, y1/H, x2/W, y2/H, w·h/(W·H), with w = x2 − x1 + 1 and cx = x1 + w/2.
    """
    extent = boxes[:, 2:] - boxes[:, :2] + 1.0
    centre = boxes[:, :2] + 0.5 * extent
    area = extent.prod(dim=1, keepdim=True) / sizes.prod(dim=1, keepdim=True)
    return torch.cat([extent / sizes, centre / sizes, boxes[:, :2] / sizes, boxes[:, 2:] / sizes, area], dim=1)


def position_numbers(pairs: PairBatch) -> Tensor:
    """The nine numbers of each box of the batch, (N, 9)."""
    return box_positions(pairs.boxes, entity_sizes(pairs.image_sizes, pairs.num_objects, pairs.boxes))


def position_embedding() -> nn.Sequential:
    """(N, 9) positions -> (N, 128); published as `pos_embed` with parameters at 0, 1 and 2."""
    return nn.Sequential(
        nn.Linear(9, 32), BatchNorm1d(32, momentum=0.001), nn.Linear(32, POSITION_DIM), nn.ReLU(inplace=True)
    )


def label_vectors(table: nn.Embedding, pairs: PairBatch, task: Task) -> Tensor:
    """
    What the detector, or the ground truth in PredCls, says of each entity's class, as a vector.

    Args:
        table: (O, E).
        pairs: object_labels (N,) in PredCls, object_logits (N, O) otherwise; the detector gets no gradient.
    Returns:
        (N, E): the label's row, or the mean of the rows under the detector's softmax.
    """
    if task.uses_gt_labels:
        return table(pairs.object_labels.long())
    return pairs.object_logits.detach().float().softmax(dim=1).to(table.weight.dtype) @ table.weight


def ground_truth_logits(labels: Tensor, num_classes: int) -> Tensor:
    """Logits of labels that are certain: (N,) -> (N, O), 1000 at the label and −1000 elsewhere."""
    logits = torch.full((len(labels), num_classes), -GROUND_TRUTH_LOGIT, device=labels.device)
    return logits.scatter_(1, labels.long().unsqueeze(1), GROUND_TRUTH_LOGIT)


def best_foreground(scores: Tensor) -> Tensor:
    """(N, O) scores or logits -> (N,) the best class that is not background."""
    return scores[:, 1:].argmax(dim=1) + 1


def greedy_foreground(logits: Tensor, boxes_per_class: Tensor, num_entities: Sequence[int], threshold: float) -> Tensor:
    """
    Greedy label assignment image by image, on the softmax of refined logits.

    Args:
        logits: (N, O).
        boxes_per_class: (N, O, 4) each entity's box as regressed for each class.
        num_entities: of each image.
        threshold: IoU from which a box loses the class that a neighbour has taken.
    Returns:
        (N,) labels, never background.
    """
    probabilities = logits.detach().float().softmax(dim=1)
    counts = list(num_entities)
    parts = zip(probabilities.split(counts), boxes_per_class.detach().float().split(counts), strict=True)
    labels = [greedy_labels(p, b, threshold) for p, b in parts]
    return torch.cat(labels) if labels else torch.zeros(0, dtype=torch.long, device=logits.device)
