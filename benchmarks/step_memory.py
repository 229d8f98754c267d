"""
Peak memory of one training step of PE-Net and SPLN, forward and backward, beside the size of a (pairs, predicates,
width) tensor.

Example: python -m benchmarks.step_memory

PE-Net's published code makes several such tensors a step, for the distances of pairs and prototypes; here they come
from a matrix product. The extractors before the predictor are left out, and so is the optimizer. Each model runs in a
process of its own.
"""

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.penet import PENet
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN
from maskrcnn_benchmark.structures.relation import PairBatch
from maskrcnn_benchmark.utils.files import write_json

OBJECTS = 151  # classes of VG150
WORDS = 300  # width of word vectors
MIB = 2**20


def build(model: str, width: int, dim: int, predicates: int) -> PENet:
    """
    PE-Net, or SPLN with the published llama command's widths: banks as wide as the features, latent variables a quarter
    of that.
    """
    words = {"object_vectors": torch.randn(OBJECTS, WORDS), "predicate_vectors": torch.randn(predicates, WORDS)}
    sizes = {"task": Task.PREDCLS, "in_channels": width, "dim": dim, **words}
    if model == "PE-Net":
        return PENet(**sizes).train()
    banks = {"visual_bank": torch.randn(predicates, width), "conceptual_bank": torch.randn(predicates, width)}
    return SPLN(**sizes, **banks, visual_latent_dim=width // 4, conceptual_latent_dim=width // 4).train()


def batch(pairs: int, width: int, predicates: int) -> PairBatch:
    """An image with just enough objects for so many ordered pairs."""
    objects = next(n for n in range(2, pairs + 2) if n * (n - 1) >= pairs)
    corners = 500 * torch.rand(objects, 2)
    return PairBatch(
        boxes=torch.cat([corners, corners + 20 + 200 * torch.rand(objects, 2)], dim=1),
        image_sizes=[(1000, 800)],
        num_objects=[objects],
        pair_index=(~torch.eye(objects, dtype=torch.bool)).nonzero()[:pairs],
        num_pairs=[pairs],
        roi_features=torch.rand(objects, width),
        union_features=torch.rand(pairs, width),
        object_labels=torch.randint(1, OBJECTS, (objects,)),
        rel_labels=torch.randint(0, predicates, (pairs,)),
    )


def measure(model: str, pairs: int, width: int, dim: int, predicates: int, threads: int) -> dict:
    """
    MiB of parameters, of what a step adds at its peak (gradients included), and of the tensor that is avoided; seconds
    of the step.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    predictor, inputs = build(model, width, dim, predicates), batch(pairs, width, predicates)
    before = resident()
    started = time.perf_counter()
    output = predictor(inputs)
    (F.cross_entropy(output.relation_logits, inputs.rel_labels) + sum(output.losses.values())).backward()
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parameters = sum(p.numel() * p.element_size() for p in predictor.parameters())
    return {
        "name": f"{model}, {pairs:,} pairs, {predicates} predicates, rows 2 x {dim:,}, features {width:,}",
        "parameters_MiB": parameters / MIB,
        "step_MiB": (peak - before) / MIB,
        "step_without_gradients_MiB": (peak - before - parameters) / MIB,
        "pairs_predicates_width_MiB": 4 * pairs * predicates * 2 * dim / MIB,
        "seconds": took,
    }


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=4096, help="P; the default is what eight images bring at most")
    parser.add_argument("--predicates", type=int, default=51, help="K, background counted")
    parser.add_argument("--dim", type=int, default=2048, help="D, PENET_MLP_DIM")
    parser.add_argument("--features", type=int, default=4096, help="F, width of entity and union features")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("output/bench/step_memory.json"))
    args = parser.parse_args(argv)
    results = []
    for model in ("PE-Net", "SPLN"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            sizes = (args.pairs, args.features, args.dim, args.predicates, args.threads)
            results.append(process.submit(measure, model, *sizes).result())
        found = results[-1]
        print(
            f"{found['name']}: parameters {found['parameters_MiB']:,.0f} MiB; a step adds {found['step_MiB']:,.0f} MiB"
            f" at its peak, {found['step_without_gradients_MiB']:,.0f} without gradients ({found['seconds']:.0f} s);"
            f" one (pairs, predicates, width) tensor would be {found['pairs_predicates_width_MiB']:,.0f} MiB"
        )
    write_json(args.output, results)


if __name__ == "__main__":
    main()
