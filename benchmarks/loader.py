"""
Decode, resize and collate: the loader of this package against the plain PIL path, one worker each, on the same JPEGs.

Example: python -m benchmarks.loader
         python -m benchmarks.loader --images datasets/vg/VG_100K --count 64

The plain path is what maskrcnn-benchmark does: PIL decodes and resizes, torchvision makes a float tensor, BGR 0-255
minus the mean, and images are padded to one float canvas. Without --images, made-up photographs of Visual Genome's
usual size are used.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as plain

from maskrcnn_benchmark.config import default_config
from maskrcnn_benchmark.data.collate import Batch, collate
from maskrcnn_benchmark.data.image_files import read_image
from maskrcnn_benchmark.data.loader import TrainingLoader
from maskrcnn_benchmark.data.samplers import TrainingBatchSampler
from maskrcnn_benchmark.data.transforms import Transform, resized_shape
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.files import write_json

BATCH = 8


def made_up_photographs(folder: Path, count: int) -> list[Path]:
    """JPEGs of 500 x 375 with detail at every scale, about 60 KB each."""
    draw, paths = np.random.default_rng(0), []
    for index in range(count):
        image = np.zeros((375, 500, 3))
        for cell in (100, 40, 12, 3):
            noise = draw.integers(0, 256, (375 // cell + 2, 500 // cell + 2, 3), dtype=np.uint8)
            image += np.asarray(Image.fromarray(noise).resize((500, 375), Image.BICUBIC)) * (0.4 if cell > 12 else 0.1)
        paths.append(folder / f"{index}.jpg")
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def plain_batch(
    paths: list[Path], min_size: int, max_size: int, mean: tuple[float, ...], divisibility: int = 32
) -> torch.Tensor:
    """The reference: float32 (B, 3, H, W), normalised and padded."""
    images = []
    for path in paths:
        with Image.open(path) as file:
            image = file.convert("RGB")
        image = plain.to_tensor(image.resize(resized_shape(*image.size, min_size, max_size), Image.BILINEAR))
        images.append(plain.normalize(image[[2, 1, 0]] * 255, mean, (1.0, 1.0, 1.0)))
    height, width = (-(-max(image.shape[d] for image in images) // divisibility) * divisibility for d in (1, 2))
    canvas = torch.zeros(len(images), 3, height, width)
    for place, image in zip(canvas, images, strict=True):
        place[:, : image.shape[1], : image.shape[2]] = image
    return canvas


class Images(torch.utils.data.Dataset):
    """Items as SceneGraphDataset makes them, without annotations."""

    def __init__(self, paths: list[Path], transform: Transform):
        self.paths, self.transform = paths, transform

    def __getitem__(self, item):
        epoch, index = item
        image = read_image(self.paths[index])
        target = BoxList([], (image.size(2), image.size(1)))
        target.add_field("epoch", epoch)
        return *self.transform(image, target, np.random.default_rng(index)), index


def own_batch(dataset: Images, indices: range) -> Batch:
    """What a worker does for a batch, packing it for the way to the main process included."""
    batch = collate([dataset[0, index] for index in indices])
    batch.__getstate__()
    return batch


def compare(paths: list[Path], rounds: int, min_size: int, max_size: int) -> dict:
    """Images per second of both, in turn on the same batches, in one thread as a worker has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    mean = tuple(default_config().INPUT.PIXEL_MEAN)
    dataset = Images(paths, Transform(min_sizes=(min_size,), max_size=max_size, hflip=0.5))
    batches = [range(start, min(start + BATCH, len(paths))) for start in range(0, len(paths), BATCH)]
    times: dict[str, list[float]] = {"own": [], "plain": []}
    for turn in range(rounds + 1):
        for batch in batches:
            started = time.perf_counter()
            own_batch(dataset, batch)
            between = time.perf_counter()
            plain_batch([paths[index] for index in batch], min_size, max_size, mean)
            if turn:  # the first round warms up
                times["own"].append((between - started) / len(batch))
                times["plain"].append((time.perf_counter() - between) / len(batch))
    torch.set_num_threads(threads)
    ratios = sorted(b / a for a, b in zip(times["own"], times["plain"], strict=True))
    return {
        "images_per_second": 1 / statistics.median(times["own"]),
        "plain_images_per_second": 1 / statistics.median(times["plain"]),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[len(ratios) // 4], ratios[-len(ratios) // 4]],
        "threads": 1,
        "min_size": min_size,
    }


def whole_loader(paths: list[Path], workers: int, batches: int, min_size: int, max_size: int) -> dict:
    """Images per second that arrive in the main process, and how its memory and the workers' grows over the run."""
    dataset = Images(paths, Transform(min_sizes=(min_size,), max_size=max_size, hflip=0.5))
    loader = TrainingLoader(dataset, TrainingBatchSampler(np.zeros(len(paths)), BATCH, seed=0), num_workers=workers)
    stream = iter(loader)
    for _ in range(max(batches // 4, 4)):
        next(stream)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for _ in range(batches):
        next(stream)
    seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"workers": workers, "images_per_second": batches * BATCH / seconds, "grown_MiB": grown}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of JPEGs instead of made-up ones")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--min-size", type=int, default=600)
    parser.add_argument("--max-size", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("output/bench/loader.json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        paths = (
            sorted(args.images.glob("*.jpg"))[: args.count]
            if args.images
            else made_up_photographs(Path(folder), args.count)
        )
        result = {"worker": compare(paths, args.rounds, args.min_size, args.max_size)}
        result["loader"] = whole_loader(paths, args.workers, 20, args.min_size, args.max_size)
    print(json.dumps(result, indent=2))
    write_json(args.output, result)


if __name__ == "__main__":
    main()
