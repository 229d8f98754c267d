"""The package's compiled ops in ONNX, and one of torch's: what each becomes where a graph is written."""

from collections.abc import Callable, Sequence
from typing import Any

import onnxscript
import torch
from onnxscript import FLOAT, INT64, ir, optimizer
from onnxscript import opset18 as op

OPSET = onnxscript.values.Opset("maskrcnn_benchmark", 1)


def roi_align(
    features: Sequence[Any], rois: Any, levels: Any, height: int, width: int, scales: Sequence[float], sampling: int
) -> Any:
    """
    ROIAlign of each roi's level, or of all levels side by side. "output_half_pixel" is ONNX's name for what published
    weights expect: no shift of half a pixel, rois at least one cell wide.
    """
    image = op.Cast(op.Gather(rois, op.Constant(value_int=0), axis=1), to=onnxscript.INT64.dtype)
    boxes = op.Slice(rois, op.Constant(value_ints=[1]), op.Constant(value_ints=[5]), op.Constant(value_ints=[1]))

    def pool(level: int, some_boxes: Any, some_images: Any) -> Any:
        return op.RoiAlign(
            features[level],
            some_boxes,
            some_images,
            coordinate_transformation_mode="output_half_pixel",
            mode="avg",
            output_height=height,
            output_width=width,
            sampling_ratio=max(sampling, 0),
            spatial_scale=scales[level],
        )

    if levels is None:
        return op.Concat(*[pool(level, boxes, image) for level in range(len(features))], axis=1)
    first = op.Constant(value_ints=[0])
    rows, pooled = [], []
    for level in range(len(features)):
        own = op.Squeeze(op.NonZero(op.Equal(levels, op.Constant(value_int=level))), first)
        rows.append(own)
        pooled.append(pool(level, op.Gather(boxes, own), op.Gather(image, own)))
    count = op.Shape(levels)
    numbers = op.Range(op.Constant(value_int=0), op.Squeeze(count, first), op.Constant(value_int=1))
    place = op.ScatterElements(op.Expand(first, count), op.Concat(*rows, axis=0), numbers)
    return op.Gather(op.Concat(*pooled, axis=0), place)


def nms(boxes: Any, scores: Any, groups: Any, threshold: float) -> Any:
    """
    Suppression with the +1 pixel convention: a box that is one larger to the right and below has the same overlaps
    without it. Groups are ONNX's classes: a box counts in its own alone. Kept rows by descending score.
    """
    zero, one, first = op.Constant(value_int=0), op.Constant(value_int=1), op.Constant(value_ints=[0])
    count = op.Shape(scores)
    ordered, order = op.TopK(scores, count, largest=1, sorted=1)
    grown = op.Add(op.Gather(boxes, order), op.Constant(value_floats=[0.0, 0.0, 1.0, 1.0]))
    # Ranks, so that of equal scores the earlier box comes first, and none is below the operator's own threshold.
    ranks = op.Cast(op.Range(op.Squeeze(count, first), zero, op.Constant(value_int=-1)), to=onnxscript.FLOAT.dtype)
    if groups is None:
        table = op.Unsqueeze(ranks, first)
    else:
        own = op.Gather(groups, order)
        most = op.ReduceMax(op.Concat(own, first, axis=0), first, keepdims=0)
        numbers = op.Unsqueeze(op.Range(zero, op.Add(most, one), one), op.Constant(value_ints=[1]))
        belongs = op.Equal(numbers, op.Unsqueeze(own, first))
        table = op.Where(belongs, op.Unsqueeze(ranks, first), op.Constant(value_float=0.0))
    kept = op.NonMaxSuppression(
        op.Unsqueeze(grown, first),
        op.Unsqueeze(table, first),
        count,
        op.Constant(value_floats=[float(threshold)]),
        op.Constant(value_floats=[0.5]),
    )
    places = op.Gather(kept, op.Constant(value_int=2), axis=1)
    ascending, _ = op.TopK(places, op.Shape(places), largest=0, sorted=1)
    return op.Gather(order, ascending)


@onnxscript.script(OPSET)
def greedy_labels(probabilities: FLOAT[...], boxes_per_class: FLOAT[...], threshold: FLOAT) -> INT64[...]:
    """
    The loop of layers.greedy_labels: once for each box, the largest probability left gives its box the class.

    No variable may be called as an input or output of a graph: the names of a loop's body stay as they are.
    """
    size = op.Shape(probabilities)
    count, classes = op.Gather(size, 0), op.Gather(size, 1) - 1
    remaining = op.Slice(probabilities, [1], op.Unsqueeze(classes + 1, [0]), [1])
    rows = op.Range(0, count, 1)
    columns = op.Range(0, classes, 1)
    taken = rows * 0
    for _ in range(count):
        best = op.ArgMax(op.Reshape(remaining, [-1]), axis=0, keepdims=0)
        row, column = best / classes, best % classes
        taken = op.Where(rows == row, column + 1, taken)
        class_boxes = op.Gather(boxes_per_class, column + 1, axis=1)
        box = op.Gather(class_boxes, op.Unsqueeze(row, [0]), axis=0)
        sides = op.Max(
            op.Min(op.Slice(class_boxes, [2], [4], [1]), op.Slice(box, [2], [4], [1]))
            - op.Max(op.Slice(class_boxes, [0], [2], [1]), op.Slice(box, [0], [2], [1]))
            + 1.0,
            0.0,
        )
        shared = op.ReduceProd(sides, [1], keepdims=0)
        areas = op.ReduceProd(
            op.Slice(class_boxes, [2], [4], [1]) - op.Slice(class_boxes, [0], [2], [1]) + 1.0, [1], keepdims=0
        )
        area = op.ReduceProd(op.Slice(box, [2], [4], [1]) - op.Slice(box, [0], [2], [1]) + 1.0, [1], keepdims=0)
        near = op.And(shared / (areas + area - shared) >= threshold, taken == 0)
        struck = op.And(op.Unsqueeze(near, [1]), op.Unsqueeze(columns == column, [0]))
        remaining = op.Where(struck, 0.0, remaining)
        remaining = op.Where(op.Unsqueeze(rows == row, [1]), -1.0, remaining)
    return taken


def stable_sort(values: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:  # noqa: ARG001
    """torch.sort(stable=True), for which torch.onnx has no form: of equal values TopK takes the earlier first, too."""
    length = op.Slice(op.Shape(values), *(op.Constant(value_ints=[n]) for n in (dim, dim + 1 or 2**31)))
    return op.TopK(values, length, axis=dim, largest=int(descending), sorted=1)


def translations() -> dict[Callable, Callable]:
    """What torch.onnx.export takes as its custom_translation_table."""
    ops = torch.ops.maskrcnn_benchmark
    return {
        ops.roi_align.default: roi_align,
        ops.nms.default: nms,
        ops.greedy_labels.default: greedy_labels,
        torch.ops.aten.sort.stable: stable_sort,
    }


def simplify(model: ir.Model) -> None:
    """
    Functions become the standard operators that they are made of, what is constant is computed, what is unused falls
    away; in place.

    torch.onnx's own optimisation is left out: it drops "x + 1e-10" as the addition of a zero, which makes not a number
    of a row without variance. onnxruntime optimises a graph when it loads it.
    """
    optimizer.inline(model)
    optimizer.fold_constants(model)
    optimizer.remove_unused_nodes(model)
