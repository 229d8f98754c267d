"""Inputs for a graph: made up for a trace, or an image as a graph takes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.transforms import resize_image, resized_shape
from maskrcnn_benchmark.engine.prediction import SceneGraphModel


def on_canvas(image: Tensor, size: tuple[int, int], divisibility: int) -> Tensor:
    """(3, h, w) uint8, resized to (width, height) `size` and padded right and below to multiples of divisibility."""
    step = max(divisibility, 1)
    width, height = (-(-side // step) * step for side in size)
    canvas = image.new_zeros(3, height, width)
    canvas[:, : size[1], : size[0]] = resize_image(image, size)
    return canvas


def graph_inputs(model: SceneGraphModel, task: Task, num_entities: int, image: Tensor | None) -> dict[str, Tensor]:
    """
    What an ImageGraph takes, by name.

    Args:
        num_entities: boxes, where boxes are given; they are made up.
        image: (3, h, w) uint8 RGB; None: noise.
    """
    generator = torch.Generator().manual_seed(num_entities)
    inputs = model.config.INPUT
    if image is None:
        sides = (inputs.MIN_SIZE_TEST, inputs.MIN_SIZE_TEST * 5 // 4)[:: 1 if num_entities % 2 else -1]
        image = torch.randint(0, 256, (3, *sides), generator=generator, dtype=torch.uint8)
    size = resized_shape(image.size(2), image.size(1), inputs.MIN_SIZE_TEST, inputs.MAX_SIZE_TEST)
    made = {
        "image": on_canvas(image, size, model.config.DATALOADER.SIZE_DIVISIBILITY),
        "image_size": torch.tensor(size),
    }
    if task.uses_gt_boxes:
        made["boxes"] = _boxes(num_entities, size, generator)
    if task.uses_gt_labels:
        made["labels"] = torch.randint(1, len(model.objects), (num_entities,), generator=generator)
    return made


def head_inputs(network: nn.Module, num_entities: int, num_pairs: int) -> dict[str, Tensor]:
    """What a HeadGraph takes, by name, made up."""
    generator = torch.Generator().manual_seed(num_entities)
    relation, task = network.roi_heads.relation, network.task
    width, size = relation.union_feature_extractor.out_channels, (1000, 600)
    boxes = _boxes(num_entities, size, generator)
    classes = network.roi_heads.box.predictor.cls_score.out_features
    made = {
        "boxes": boxes,
        "image_size": torch.tensor(size),
        "pair_index": torch.randint(0, max(num_entities, 1), (num_pairs, 2), generator=generator),
        "roi_features": torch.rand(num_entities, width, generator=generator),
        "union_features": torch.rand(num_pairs, width, generator=generator),
    }
    if relation.union_feature_extractor.spatial_fc is not None:
        made["spatial_features"] = torch.rand(num_pairs, width, generator=generator)
    if task.uses_gt_labels:
        made["object_labels"] = torch.randint(1, classes, (num_entities,), generator=generator)
    else:
        made["object_logits"] = 3 * torch.randn(num_entities, classes, generator=generator)
    if not task.uses_gt_boxes:
        made["boxes_per_class"] = boxes[:, None] + 5 * torch.rand(num_entities, classes, 4, generator=generator)
    return made


def _boxes(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(count, 4) boxes inside an image of (width, height)."""
    sides = torch.tensor(size, dtype=torch.float32)
    low = torch.rand(count, 2, generator=generator) * 0.6 * sides
    return torch.cat([low, low + (0.1 + 0.3 * torch.rand(count, 2, generator=generator)) * sides], dim=1)
