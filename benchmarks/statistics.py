"""
Training statistics of an annotation set of Visual Genome's size: time and memory from the files, and from the cache.

Example: python -m benchmarks.statistics

A plain loop over images, boxes and relations counts a part of the same set, for the ratio.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.synthetic_annotations import write_synthetic_vg
from maskrcnn_benchmark.data.annotations import Annotations
from maskrcnn_benchmark.data.build import read_source, training_statistics
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.statistics import count_relations
from maskrcnn_benchmark.utils.files import write_json


def plain_counts(annotations: Annotations, num_objects: int, num_predicates: int) -> tuple[np.ndarray, np.ndarray]:
    """The reference: image by image, as Scene-Graph-Benchmark counts."""
    fg = np.zeros((num_objects, num_objects, num_predicates), dtype=np.int64)
    bg = np.zeros((num_objects, num_objects), dtype=np.int64)
    for image in range(annotations.num_images):
        rows = slice(annotations.box_start[image], annotations.box_start[image + 1])
        boxes, labels = annotations.boxes[rows].astype(np.float64), annotations.labels[rows]
        first, second = (
            np.maximum(boxes[:, None, :2], boxes[None, :, :2]),
            np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]),
        )
        relations = annotations.relations[annotations.rel_start[image] : annotations.rel_start[image + 1]]
        touching = (second - first + 1 > 0).all(axis=2)
        counted = [relation for relation in relations if touching[relation[0], relation[1]]]
        if not counted:
            continue
        for subject, object_, predicate in counted:
            fg[labels[subject], labels[object_], predicate] += 1
        meeting = (second > first).all(axis=2) & ~np.eye(len(boxes), dtype=bool)
        pairs = np.argwhere(meeting if meeting.any() else ~np.eye(len(boxes), dtype=bool))
        for i, j in pairs:
            bg[labels[i], labels[j]] += 1
    return fg, bg


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=108073)
    parser.add_argument("--plain-images", type=int, default=2000, help="images of the plain loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("output/bench/statistics.json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATA_DIR"] = folder
        with ProcessPoolExecutor(1) as elsewhere:  # its memory does not count
            elsewhere.submit(write_synthetic_vg, Path(folder, "synthetic"), images=args.images).result()
        result = measure(args, Path(folder))
    print(json.dumps(result, indent=2))
    write_json(args.output, result)


def measure(args: argparse.Namespace, folder: Path) -> dict:
    """Seconds and MiB from the files and from the cache, and the ratio to the plain loop on the first images."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    home = os.getcwd()
    os.chdir(folder)  # the cache goes to output/cache of the working directory
    started = time.perf_counter()
    counted = training_statistics("synthetic_train")
    from_files = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    cached = []
    for _ in range(args.rounds):
        started = time.perf_counter()
        training_statistics("synthetic_train")
        cached.append(time.perf_counter() - started)
    source = read_source(dataset_entry("synthetic_train"))
    os.chdir(home)
    part = source.annotations.take(np.arange(min(args.plain_images, source.annotations.num_images)))
    sizes = len(source.objects), len(source.predicates)
    times: dict[str, list[float]] = {"own": [], "plain": []}
    for _ in range(args.rounds):
        started = time.perf_counter()
        own = count_relations(part, *sizes, overlapping=True)
        between = time.perf_counter()
        plain = plain_counts(part, *sizes)
        times["own"].append(between - started)
        times["plain"].append(time.perf_counter() - between)
        if not all(np.array_equal(a, b) for a, b in zip(own, plain, strict=True)):
            raise AssertionError("the plain loop counts differently")
    return {
        "images": args.images,
        "boxes": len(source.annotations.boxes),
        "relations": len(source.annotations.relations),
        "counted_relations": int(counted.meta.fg_matrix.sum()),
        "seconds_from_files": from_files,
        "grown_MiB": grown,
        "seconds_from_cache": statistics.median(cached),
        "ratio_to_plain_loop": statistics.median(times["plain"]) / statistics.median(times["own"]),
    }


if __name__ == "__main__":
    main()
