"""
The evaluator against the plain reference beside it, on images of PredCls and SGDet size. Example: python -m
benchmarks.evaluator

Prints the time of one image (median over images, both in turn on the same ones), the ratio, and the memory that a
stream as long as Visual Genome's test split takes.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.evaluator_reference import PlainEvaluator
from benchmarks.harness import compare, show
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.utils.files import write_json

OBJECTS, PREDICATES = 151, 51
# Boxes, pairs and annotated relations of an image: Visual Genome's averages.
SIZES = {"predcls": (12, 116, 7), "sgdet": (65, 4094, 7)}
VG_TEST_IMAGES = 26_446


def make_image(rng, mode):
    """One image's prediction and ground truth, relations likely enough that some are found."""
    boxes, pairs, relations = SIZES[mode]
    corner = rng.uniform(0, 400, (boxes, 2))
    true_boxes = np.concatenate([corner, corner + rng.uniform(20, 200, (boxes, 2))], 1).astype(np.float32)
    labels = rng.integers(1, OBJECTS, boxes)
    annotated = min(boxes, 12)
    subjects, objects = np.nonzero(~np.eye(annotated, dtype=bool))
    chosen = rng.choice(len(subjects), relations, replace=False)
    predicates = np.minimum(rng.geometric(0.15, relations), PREDICATES - 1)
    truth = {
        "boxes": true_boxes[:annotated],
        "labels": labels[:annotated],
        "relations": np.column_stack([subjects[chosen], objects[chosen], predicates]),
    }
    subjects, objects = np.nonzero(~np.eye(boxes, dtype=bool))
    kept = np.sort(rng.choice(len(subjects), pairs, replace=False))
    logits = rng.normal(0, 2, (pairs, PREDICATES)).astype(np.float32)
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    prediction = {
        "boxes": true_boxes + rng.normal(0, 2, true_boxes.shape).astype(np.float32),
        "labels": labels,
        "scores": rng.uniform(0.2, 1, boxes).astype(np.float32),
        "pairs": np.column_stack([subjects[kept], objects[kept]]),
        "predicate_scores": scores,
    }
    return prediction, truth


def measure(mode, images, rel_nms=False):
    """harness.compare's entry for one image: both evaluators take the same images, in turn."""
    rng = np.random.default_rng(0)
    data = [make_image(rng, mode) for _ in range(images + 1)]
    zero_shot = np.array([[1, 2, 3]])
    ours, plain = (
        cls(mode, PREDICATES, zeroshot_triplets=zero_shot, rel_nms=rel_nms)
        for cls in (SceneGraphEvaluator, PlainEvaluator)
    )
    for_ours, for_plain = iter(data), iter(data)
    name = f"{mode}, {SIZES[mode][1]} pairs" + (", rel_nms" if rel_nms else "")
    result = compare(name, lambda: plain.update(*next(for_plain)), lambda: ours.update(*next(for_ours)), images)
    if not np.allclose(ours.summary()["R"]["50"], plain.summary()["R"]["50"], rtol=0, atol=1e-12):
        raise AssertionError(f"{name}: the plain evaluator finds another recall")
    return result


def stream_memory(mode, images):
    """MiB that the process grew by while it took in this many images, and seconds that the summary took."""
    rng = np.random.default_rng(1)
    some = [make_image(rng, mode) for _ in range(16)]
    evaluator = SceneGraphEvaluator(mode, PREDICATES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(images):
        evaluator.update(*some[i % len(some)])
    start = time.perf_counter()
    evaluator.summary()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, time.perf_counter() - start


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument(
        "--stream", type=int, default=VG_TEST_IMAGES, help="images of the memory measurement; 0 leaves it out"
    )
    parser.add_argument("--output", type=Path, default=Path("output/bench/evaluator.json"))
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.stream:  # first, while the process is small
        memory, took = stream_memory("predcls", args.stream)
        print(f"{args.stream} images: {memory:.0f} MiB more, summary in {took:.2f} s")
    print(f"{args.threads} threads; plain reference, product, how many times faster (quartiles of the images)")
    results = [
        measure("predcls", args.images),
        measure("sgdet", args.images),
        measure("predcls", args.images, rel_nms=True),
    ]
    results.append(measure("sgdet", 2, rel_nms=True))  # the plain form takes seconds there
    show(results)
    if args.stream:
        results.append({"name": "stream", "images": args.stream, "grown_MiB": memory, "summary_seconds": took})
    write_json(args.output, results)


if __name__ == "__main__":
    main()
