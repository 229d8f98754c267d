"""
The evaluator against the plain reference beside it, on images of PredCls and SGDet size. Example: python -m benchmarks.evaluator

Prints the time of one image (median over images, both run in turn on the same image), the ratio, and memory after a stream as long as
Visual Genome's test split.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

from benchmarks.evaluator_reference import PlainEvaluator
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator

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
    """Milliseconds an image, ours and the reference's, in turn: two lists."""
    rng = np.random.default_rng(0)
    data = [make_image(rng, mode) for _ in range(images)]
    zero_shot = np.array([[1, 2, 3]])
    evaluators = [cls(mode, PREDICATES, zeroshot_triplets=zero_shot, rel_nms=rel_nms) for cls in (SceneGraphEvaluator, PlainEvaluator)]
    times = [[], []]
    for evaluator in evaluators:  # the first call loads what later ones find loaded
        evaluator.update(*data[0])
    for prediction, truth in data:
        for evaluator, spent in zip(evaluators, times, strict=True):
            start = time.perf_counter()
            evaluator.update(prediction, truth)
            spent.append(1000 * (time.perf_counter() - start))
    return times


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
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--stream", type=int, default=VG_TEST_IMAGES, help="images of the memory measurement; 0 leaves it out")
    parser.add_argument("--output", type=Path, default=Path("output/bench/evaluator.json"))
    args = parser.parse_args(argv)
    results = {}
    if args.stream:  # first, while the process is small
        memory, seconds = stream_memory("predcls", args.stream)
        results["stream"] = {"images": args.stream, "MiB": memory, "summary_s": seconds}
        print(f"{args.stream} images: {memory:.0f} MiB more, summary in {seconds:.2f} s")
    for mode, rel_nms in (("predcls", False), ("sgdet", False), ("predcls", True), ("sgdet", True)):
        images = 2 if rel_nms and mode == "sgdet" else args.images  # the plain rel_nms takes seconds there
        ours, plain = measure(mode, images, rel_nms)
        ratios = np.array(plain) / np.array(ours)
        name = f"{mode}, {SIZES[mode][1]} pairs" + (", rel_nms" if rel_nms else "")
        results[name] = {"ms": float(np.median(ours)), "plain_ms": float(np.median(plain)), "ratio": float(np.median(ratios))}
        spread = f"{np.percentile(ratios, 25):.1f} to {np.percentile(ratios, 75):.1f}"
        print(f"{name}: {np.median(ours):.2f} ms against {np.median(plain):.1f} ms, ratio {np.median(ratios):.1f} (quartiles {spread})")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
