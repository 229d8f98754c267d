"""
Memory of the GPU that an update of the published SPLN training takes, by batch size and DTYPE.

Example: python -m benchmarks.training_memory --batches 1 2 4 8 --dtypes float32 bfloat16

The model is that of scripts/train.sh (ResNeXt-101-32x8d-FPN, SPLN with LLAMA's widths) at random weights; its images
are made up, as large as INPUT.* allows (600 x 1,000), with just enough entities for 512 pairs each, the most that
BATCH_SIZE_PER_IMAGE lets through. Momentum is there before the update that is measured. Figures are PyTorch's own: what
its allocator handed out (allocated) and what it took from the device for that (reserved). The CUDA context and cuDNN's
libraries come on top, which only the driver counts.
"""

import argparse
import gc
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.published_spln import CONFIG, published_words
from benchmarks.published_vg import OBJECTS, PREDICATES, scale_as_trained
from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.collate import Batch
from maskrcnn_benchmark.data.meta import BACKGROUND, DatasetMeta
from maskrcnn_benchmark.engine.step import TrainingStep, make_scaler
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.solver import make_optimizer
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.files import write_json

WIDTH, HEIGHT = 1000, 600  # INPUT.MAX_SIZE_TRAIN, INPUT.MIN_SIZE_TRAIN
GIB = 2**30
FIGURES = ("before_GiB", "gradients_GiB", "allocated_GiB", "reserved_GiB")


def meta() -> DatasetMeta:
    """VG150's numbers of classes, and totals of predicates with a long tail."""
    totals = np.concatenate([[0], 700_000 // np.arange(1, len(PREDICATES) + 1) ** 2])
    return DatasetMeta((BACKGROUND, *OBJECTS), (BACKGROUND, *PREDICATES), predicate_totals=totals)


def batch(images: int, pairs: int) -> Batch:
    """Noise, with the fewest entities that have so many ordered pairs, each related to the next."""
    entities = next(n for n in range(2, pairs + 2) if n * (n - 1) >= pairs)
    return Batch([_image() for _ in range(images)], [_target(i, entities) for i in range(images)], list(range(images)))


def _image() -> Tensor:
    return torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)


def _target(image_id: int, entities: int) -> BoxList:
    corners = torch.rand(entities, 2) * torch.tensor([0.6 * WIDTH, 0.6 * HEIGHT])
    sizes = 30 + torch.rand(entities, 2) * torch.tensor([0.3 * WIDTH, 0.3 * HEIGHT])
    target = BoxList(torch.cat([corners, corners + sizes], dim=1), (WIDTH, HEIGHT), mode="xyxy")
    rows = torch.arange(entities)
    predicates = torch.randint(1, len(PREDICATES) + 1, (entities,))
    target.add_field("labels", torch.randint(1, len(OBJECTS) + 1, (entities,)))
    target.add_field("relation_tuple", torch.stack([rows, (rows + 1) % entities, predicates], dim=1))
    target.add_field("image_id", torch.tensor([image_id]))
    target.add_field("epoch", torch.tensor([0]))
    return target


def measure(images: int, dtype: str, pairs: int, device: str, words: list[str]) -> dict:
    """GiB of parameters, and of what the allocator had handed out and reserved at the peak of an update."""
    torch.manual_seed(0)
    more = ["DTYPE", dtype, "MODEL.DEVICE", device, "MODEL.ROI_RELATION_HEAD.BATCH_SIZE_PER_IMAGE", str(pairs)]
    cfg = load_config(CONFIG, [*published_words("LLAMA"), *more, *words])
    at = torch.device(device)
    model = build_detection_model(cfg, meta())
    scale_as_trained(model.state_dict())
    model = model.to(at).train()
    optimizer = make_optimizer(cfg, model)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    step = TrainingStep(model, optimizer, make_scaler(at, dtype), at, dtype=dtype)
    torch.cuda.reset_peak_memory_stats(at)
    before, gradients = torch.cuda.memory_allocated(at), []
    optimizer.register_step_pre_hook(lambda *_: gradients.append(torch.cuda.max_memory_allocated(at)))
    result = step(iter([batch(images, pairs)]), 1)
    return {
        "images": images,
        "dtype": dtype,
        "words": words,
        "parameters_GiB": _size(list(model.parameters())),
        "trained_GiB": _size(trained),
        "before_GiB": before / GIB,
        # Up to the update; all of it where float16's first gradients overflow, so that there is none.
        "gradients_GiB": (gradients or [torch.cuda.max_memory_allocated(at)])[0] / GIB,
        "allocated_GiB": torch.cuda.max_memory_allocated(at) / GIB,
        "reserved_GiB": torch.cuda.max_memory_reserved(at) / GIB,
        "losses": sorted(result.losses),
    }


def _size(tensors: list[Tensor]) -> float:
    return sum(t.numel() * t.element_size() for t in tensors) / GIB


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8], help="images of an update")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--pairs", type=int, default=512, help="pairs per image")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--output", type=Path, default=Path("output/bench/training_memory.json"))
    parser.add_argument("words", nargs="*", metavar="KEY VALUE", help="config keys beyond the published ones")
    args = parser.parse_args(argv)
    if not torch.cuda.is_available():
        sys.exit("error: no CUDA device: this measures the memory of one")
    results = []
    print(
        "| DTYPE | images | before, GiB | with gradients, GiB | allocated, GiB | reserved, GiB |\n" + 6 * "|---" + "|"
    )
    for dtype in args.dtypes:
        for images in args.batches:
            found = measure(images, dtype, args.pairs, args.device, args.words)
            gc.collect()
            torch.cuda.empty_cache()  # or the next figure would start from what this one's allocator kept
            results.append(found)
            figures = " | ".join(f"{found[key]:.2f}" for key in FIGURES)
            print(f"| {dtype} | {images} | {figures} |", flush=True)
            write_json(args.output, results)


if __name__ == "__main__":
    main()
