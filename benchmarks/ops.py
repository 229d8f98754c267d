"""
The compiled ops against torch, torchvision and the plain forms beside this file. Example: python -m benchmarks.ops
--threads 2

Every pair is first compared in value. Sizes are those of a 608 × 672 image: 512 rois or 80 boxes (6,320 pairs).
"""

from collections.abc import Callable, Iterator

import torch
import torchvision

from benchmarks import ops_reference as plain
from benchmarks.harness import Machine, compare, run_suite
from maskrcnn_benchmark import layers

STRIDES = (4, 8, 16, 32)
SCALES = [1 / stride for stride in STRIDES]
Case = tuple[str, Callable[[], object], Callable[[], object], dict]


def random_boxes(count: int, side: float, least: float, most: float) -> torch.Tensor:
    corner = torch.rand(count, 2) * side
    return torch.cat([corner, corner + torch.rand(count, 2) * (most - least) + least], dim=1)


def pooling_cases() -> Iterator[Case]:
    maps = [torch.randn(1, 256, 608 // stride, 672 // stride) for stride in STRIDES]
    rois = torch.cat([torch.zeros(512, 1), random_boxes(512, 600, 8, 308)], dim=1)
    levels = torch.arange(512) % 4
    first, last = maps[0], maps[0].to(memory_format=torch.channels_last)
    # At least: every map is read once, every output written once; 16 weights a bin.
    pooled = 512 * 256 * 49
    one = {"multiply_adds": 16 * pooled, "moved_bytes": 4 * (first.numel() + pooled)}
    four = {"multiply_adds": 64 * pooled, "moved_bytes": 4 * (sum(x.numel() for x in maps) + 4 * pooled)}

    def align(x):
        return torchvision.ops.roi_align(x, rois, 7, 0.25, 2, aligned=False)

    yield "roi_align, 512 rois", lambda: align(first), lambda: layers.roi_align(first, rois, 7, 0.25, 2), one
    yield "roi_align, channels_last", lambda: align(last), lambda: layers.roi_align(last, rois, 7, 0.25, 2), one
    yield (
        "roi_align_levels, 4 levels",
        lambda: plain.roi_align_levels(maps, rois, levels, 7, SCALES, 2),
        lambda: layers.roi_align_levels(maps, rois, levels, 7, SCALES, 2),
        {},
    )
    yield (
        "roi_align_levels, all 4 side by side",
        lambda: plain.roi_align_all_levels(maps, rois, 7, SCALES, 2),
        lambda: layers.roi_align_levels(maps, rois, None, 7, SCALES, 2),
        four,
    )
    grown = first.clone().requires_grad_()
    theirs, ours = align(grown).sum(), layers.roi_align(grown, rois, 7, 0.25, 2).sum()
    yield (
        "roi_align backward",
        lambda: torch.autograd.grad(theirs, grown, retain_graph=True)[0],
        lambda: torch.autograd.grad(ours, grown, retain_graph=True)[0],
        one,
    )
    yield (
        "roi_pool, 512 rois",
        lambda: torchvision.ops.roi_pool(first, rois, 7, 0.25),
        lambda: layers.roi_pool(first, rois, 7, 0.25),
        {},
    )


def suppression_cases() -> Iterator[Case]:
    for count in (2000, 6000):
        boxes, scores = random_boxes(count, 900, 4, 204), torch.randperm(count) / count
        yield (
            f"nms, {count} boxes",
            lambda b=boxes, s=scores: plain.nms(b, s, 0.7),
            lambda b=boxes, s=scores: layers.nms(b, s, 0.7),
            {},
        )
    boxes, scores, groups = (
        random_boxes(10000, 900, 4, 204),
        torch.randperm(10000) / 10000,
        torch.randint(0, 150, (10000,)),
    )
    yield (
        "batched_nms, 10000 boxes, 150 groups",
        lambda: plain.batched_nms(boxes, scores, groups, 0.5),
        lambda: layers.batched_nms(boxes, scores, groups, 0.5),
        {},
    )


def assignment_cases() -> Iterator[Case]:
    heaps = random_boxes(8, 500, 60, 200)[torch.randint(0, 8, (80,))]
    boxes, probabilities = heaps[:, None] + 6 * torch.randn(80, 151, 4), torch.randn(80, 151).softmax(1)
    yield (
        "greedy_labels, 80 boxes",
        lambda: plain.greedy_labels(probabilities, boxes, 0.5),
        lambda: layers.greedy_labels(probabilities, boxes, 0.5),
        {},
    )
    for entities in (11, 80):
        subject, object_ = (~torch.eye(entities, dtype=torch.bool)).nonzero().t()
        boxes, labels = heaps[:entities] + 6 * torch.randn(entities, 4), torch.randint(1, 6, (entities,))
        pairs = [
            torch.randn(len(subject), 50).softmax(1),
            labels[subject],
            labels[object_],
            boxes[subject],
            boxes[object_],
        ]
        sizes = torch.tensor([[672, 608]]).expand(len(subject), 2)
        yield (
            f"relation_nms, {len(subject)} pairs",
            lambda a=pairs: plain.relation_nms(*a, 0.6),
            lambda a=pairs: layers.relation_nms(*a, 0.6),
            {},
        )
        yield (
            f"pair_masks, {len(subject)} pairs",
            lambda a=pairs, s=sizes: plain.pair_masks(*a[3:], s),
            lambda a=pairs, s=sizes: layers.pair_masks(*a[3:], s),
            {},
        )
    a, b = random_boxes(2000, 900, 4, 204), random_boxes(1000, 900, 4, 204)
    yield "box_iou, 2000 × 1000", lambda: plain.iou(a, b), lambda: layers.box_iou(a, b), {"moved_bytes": 4 * 2_000_000}


def run(repeats: int) -> list[dict]:
    """Checks and times every op."""
    machine = Machine()
    results = []
    for cases in (pooling_cases, suppression_cases, assignment_cases):
        for name, reference, product, work in cases():
            torch.testing.assert_close(product(), reference(), rtol=1e-4, atol=1e-4)
            rounds = 3 if "relation_nms, 6320" in name else repeats  # the plain form takes seconds there
            results.append(
                compare(name, reference, product, rounds, floor_seconds=machine.floor(**work) if work else None)
            )
    return results


def main(argv: list[str] | None = None) -> None:
    run_suite(run, __doc__, "ops", "plain reference, product", argv)


if __name__ == "__main__":
    main()
