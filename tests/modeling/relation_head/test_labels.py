"""Positions, label vectors and labels of entities."""

import pytest
import torch
from torch import nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    best_foreground,
    box_positions,
    entity_sizes,
    greedy_foreground,
    ground_truth_logits,
    label_vectors,
)

from .conftest import toy_pairs


def test_positions_are_shares_of_the_image():
    numbers = box_positions(torch.tensor([[10.0, 20.0, 29.0, 59.0]]), torch.tensor([[100.0, 200.0]]))
    expected = [20 / 100, 40 / 200, 20 / 100, 40 / 200, 10 / 100, 20 / 200, 29 / 100, 59 / 200, 20 * 40 / (100 * 200)]
    assert numbers[0].tolist() == pytest.approx(expected)


def test_every_entity_has_the_size_of_its_image():
    sizes = entity_sizes([(10, 20), (30, 40), (50, 60)], [2, 0, 1], torch.zeros(1))
    assert sizes.tolist() == [[10, 20], [10, 20], [50, 60]]


def test_label_vectors_are_rows_in_predcls_and_means_without_gradient_to_the_detector_otherwise():
    pairs = toy_pairs(2)
    pairs.object_logits.requires_grad_()
    table = nn.Embedding(5, 3)
    assert torch.equal(label_vectors(table, pairs, Task.PREDCLS), table.weight[pairs.object_labels])
    mean = label_vectors(table, pairs, Task.SGCLS)
    torch.testing.assert_close(mean, torch.softmax(pairs.object_logits, 1) @ table.weight)
    mean.sum().backward()
    assert pairs.object_logits.grad is None and table.weight.grad is not None


def test_given_labels_are_certain_and_background_is_never_the_best():
    logits = ground_truth_logits(torch.tensor([2, 1]), 4)
    assert logits.softmax(1).argmax(1).tolist() == [2, 1] and logits.softmax(1).max() == 1
    assert best_foreground(torch.tensor([[9.0, 1.0, 2.0]])).tolist() == [2]


def test_greedy_labels_differ_where_boxes_of_a_class_coincide_but_not_across_images():
    logits = torch.tensor([[0.0, 4.0, 3.0], [0.0, 3.9, 3.0], [0.0, 4.0, 3.0]])
    boxes = torch.tensor([0.0, 0.0, 10.0, 10.0]).expand(3, 3, 4)
    assert greedy_foreground(logits, boxes, [2, 1], 0.5).tolist() == [1, 2, 1]
    assert greedy_foreground(logits[:0], boxes[:0], [0, 0], 0.5).tolist() == []
