"""
Whether a machine can do the work, part by part: PyTorch, the compiled ops, each device, memory between processes, data.

Every part is looked at whatever the parts before it had; what is wrong says what to do about it.
"""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from maskrcnn_benchmark import layers
from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.paths_catalog import data_dir
from maskrcnn_benchmark.data.datasets.catalog import FOLDER_NAMES, dataset_entry
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.engine.cli import require_datasets, require_start_files
from maskrcnn_benchmark.layers import _extension
from maskrcnn_benchmark.utils.device import resolve_device
from maskrcnn_benchmark.utils.errors import UserError

GOOD, NOTE, BAD = "ok", "note", "BAD"
BUILD = "python setup.py build_ext --inplace --force (the first error it prints is the one to mend)"
_GIB = 2**30
# What a few workers with full batches keep in shared memory at a time.
_ENOUGH_SHARED = 2 * _GIB
_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Finding:
    """
    Attributes:
        level: GOOD, NOTE (works, but not as well as it could) or BAD.
        what: in a line.
        advice: what to do; empty where nothing is to be done.
    """

    level: str
    what: str
    advice: str = ""

    def line(self) -> str:
        """The finding in a line."""
        return f"{self.level:<5} {self.what}"


def examine(cfg: Config | None = None) -> Iterator[Finding]:
    """
    All findings, each as soon as it is known.

    Args:
        cfg: a config whose device, data sets and start weights shall be there; None: any data set will do.
    """
    yield from libraries()
    yield from extension()
    yield from driver()
    for device in ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]:
        yield from ops_on(torch.device(device))
    yield from shared_memory()
    yield from (data_sets() if cfg is None else needs_of(cfg))


def conclusion(findings: Sequence[Finding]) -> list[str]:
    """What to do, numbered, the needed before the useful; or that there is nothing to do."""
    advice = [f.advice for level in (BAD, NOTE) for f in findings if f.level == level and f.advice]
    if not advice:
        return ["Nothing to do: everything that was looked at works."]
    return ["To do:", *(f"{i}. {text}" for i, text in enumerate(dict.fromkeys(advice), 1))]


def libraries() -> Iterator[Finding]:
    """Versions of Python, PyTorch and torchvision, and whether the two fit each other."""
    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    threads = f"{os.cpu_count()} CPU threads, torch takes {torch.get_num_threads()}"
    yield Finding(GOOD, f"Python {platform.python_version()} on {platform.platform()}, {threads}")
    yield Finding(GOOD, f"torch {torch.__version__} ({cuda}), torchvision {importlib.metadata.version('torchvision')}")
    import torchvision  # named apart, for it fails where it was built for another torch

    number = getattr(torchvision.version, "cuda", None)  # 12060 stands for 12.6
    built_for = f"{number // 1000}.{number % 1000 // 10}" if number else None
    if built_for and torch.version.cuda and built_for != torch.version.cuda:
        what = f"torchvision was built for CUDA {built_for}, torch for {torch.version.cuda}"
        yield Finding(BAD, what, "install torch and torchvision from the same index")


def extension() -> Iterator[Finding]:
    """Whether the compiled ops are there, and what their CUDA part was compiled for."""
    if not _extension.BUILT:
        what = f"the compiled ops are missing: {_extension.WHY_NOT}"
        yield Finding(NOTE, what, f"build the ops, which run slower without: {BUILD}")
    elif architectures := ", ".join(map(_dotted, cuda_architectures())):
        yield Finding(GOOD, f"the compiled ops are there, for the CPU and for compute capability {architectures}")
    elif torch.cuda.is_available():
        advice = f"build the ops for the GPU (needs nvcc): FORCE_CUDA=1 {BUILD}"
        yield Finding(NOTE, "the compiled ops were built without CUDA", advice)
    else:
        yield Finding(GOOD, "the compiled ops are there, for the CPU")


def cuda_architectures() -> list[int]:
    """Compute capabilities (10 · major + minor) that the extension's kernels were compiled for; empty without CUDA."""
    namespace = torch.ops.maskrcnn_benchmark
    has_list = _extension.BUILT and hasattr(namespace, "cuda_architectures")
    return sorted(namespace.cuda_architectures()) if has_list else []


def driver() -> Iterator[Finding]:
    """What the driver shows, and whether torch sees it."""
    shown = _nvidia_smi()
    version = shown[0].split(", ")[0] if shown else "unknown"
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        hidden = f", {len(shown)} in the machine (CUDA_VISIBLE_DEVICES)" if shown and len(shown) != count else ""
        yield Finding(GOOD, f"driver {version}, {count} GPUs visible to torch{hidden}")
    elif shown and torch.version.cuda is None:
        what = f"the driver shows {len(shown)} GPUs, but this torch is a CPU build"
        yield Finding(BAD, what, "install PyTorch's CUDA build (INSTALL.md, By hand)")
    elif shown and os.environ.get("CUDA_VISIBLE_DEVICES") is not None:
        what = f"CUDA_VISIBLE_DEVICES '{os.environ['CUDA_VISIBLE_DEVICES']}' hides all {len(shown)} GPUs"
        yield Finding(BAD, what, "unset CUDA_VISIBLE_DEVICES, or name a GPU's number there")
    elif shown:
        what = f"driver {version} shows {len(shown)} GPUs, torch sees none"
        yield Finding(BAD, what, f"update the driver to one of CUDA {torch.version.cuda}, or install PyTorch for yours")
    else:
        yield Finding(NOTE, "no GPU: work is done on the CPU, enough for make demo")


def _nvidia_smi() -> list[str]:
    """'driver version, name' a GPU, as nvidia-smi says; empty without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        query = [program, "--query-gpu=driver_version,name", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def ops_on(device: torch.device) -> Iterator[Finding]:
    """A device's memory, whether there is code for it, and each op on a tiny input, compared with the CPU's result."""
    if device.type == "cuda":
        yield from _gpu(device)
    for name, op in _TINY.items():
        try:
            results = zip(op(device), op(torch.device("cpu")), strict=True)
            same = all(torch.allclose(a.float().cpu(), b.float(), rtol=1e-2, atol=1e-3) for a, b in results)
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            yield Finding(BAD, f"{device}: {name} fails: {reason}", _advice_for(reason, device))
            if device.type == "cuda":
                return  # after an error a GPU answers nothing more
            continue
        if not same:
            what = f"{device}: {name} gives other numbers than the CPU"
            yield Finding(BAD, what, f"build the ops anew: {BUILD}; if it stays, suspect the GPU")
            return
    yield Finding(GOOD, f"{device}: {', '.join(_TINY)}")


def _gpu(device: torch.device) -> Iterator[Finding]:
    properties = torch.cuda.get_device_properties(device)
    capability, have = 10 * properties.major + properties.minor, cuda_architectures()
    free, total = torch.cuda.mem_get_info(device)
    memory = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    yield Finding(GOOD, f"{device}: {properties.name}, compute capability {_dotted(capability)}, {memory}")
    if free < total / 2:
        what = f"{device}: more than half of its memory is taken"
        yield Finding(NOTE, what, f"nvidia-smi names who holds the memory of {device}")
    if have and not any(one // 10 == capability // 10 and one <= capability for one in have):
        # For later GPUs there may be PTX, which the driver compiles at first use.
        level = NOTE if capability > max(have) else BAD
        compiled = ", ".join(map(_dotted, have))
        what = f"{device}: the ops were compiled for {compiled}, none of them fits {_dotted(capability)}"
        yield Finding(level, what, _advice_to_compile(capability))


def _dotted(capability: int) -> str:
    return f"{capability // 10}.{capability % 10}"


def _advice_to_compile(capability: int) -> str:
    return f"compile the ops for this GPU: TORCH_CUDA_ARCH_LIST={_dotted(capability)} FORCE_CUDA=1 {BUILD}"


def _advice_for(reason: str, device: torch.device) -> str:
    if "no kernel image" in reason:
        major, minor = torch.cuda.get_device_capability(device)
        return f"{_advice_to_compile(10 * major + minor)}; or install a PyTorch that has code for it"
    if "out of memory" in reason:
        return f"free {device}: nvidia-smi names who holds its memory"
    return f"build the ops against this PyTorch: {BUILD}"


_MAP = torch.linspace(-1, 1, 2 * 16 * 16).view(1, 2, 16, 16)
_BOXES = torch.tensor([[0.0, 0, 9, 9], [1, 1, 10, 10], [20, 5, 29, 18]])
_ROIS = torch.cat([torch.zeros(3, 1), _BOXES], dim=1)
_CHANCES = torch.tensor([[0.1, 0.6, 0.3], [0.1, 0.5, 0.4], [0.2, 0.7, 0.1]])


def _with_gradient(op: Callable[[Tensor], Tensor], value: Tensor) -> list[Tensor]:
    out = op(value.requires_grad_())
    return [out.detach(), *torch.autograd.grad(out.square().sum(), value)]


def _convolve(device: torch.device) -> list[Tensor]:
    weight = torch.linspace(-1, 1, 3 * 2 * 9, device=device).view(3, 2, 3, 3)
    return _with_gradient(lambda weight: F.conv2d(_MAP.to(device), weight), weight)


def _align(device: torch.device) -> list[Tensor]:
    rois, levels = _ROIS.to(device), torch.tensor([0, 1, 1], device=device)
    return _with_gradient(
        lambda level: layers.roi_align_levels([level, level], rois, levels, 7, [0.5, 0.25], 2),
        _MAP.to(device, copy=True),
    )


def _pairs(device: torch.device) -> list[Tensor]:
    boxes, sizes = _BOXES.to(device), torch.tensor([[30, 20]] * 3, device=device)
    return [layers.box_iou(boxes, boxes), layers.pair_masks(boxes, boxes.flip(0), sizes)]


_TINY: dict[str, Callable[[torch.device], list[Tensor]]] = {
    "convolution": _convolve,
    "ROIAlign": _align,
    "ROIPool": lambda device: [layers.roi_pool(_MAP.to(device), _ROIS.to(device), 3, 0.5)],
    "NMS": lambda device: [layers.nms(_BOXES.to(device), _CHANCES[:, 1].to(device), 0.5)],
    "greedy labels": lambda device: [
        layers.greedy_labels(_CHANCES.to(device), _BOXES[:, None].repeat(1, 3, 1).to(device), 0.5)
    ],
    "IoU and masks": _pairs,
}


def shared_memory() -> Iterator[Finding]:
    """Room in /dev/shm, through which the workers of a loader send their batches."""
    if not _SHARED_MEMORY.is_dir():
        yield Finding(NOTE, f"no {_SHARED_MEMORY}", "set DATALOADER.NUM_WORKERS 0")
        return
    free = shutil.disk_usage(_SHARED_MEMORY).free
    what = f"{_SHARED_MEMORY}: {free / _GIB:.1f} GiB free"
    if free < _ENOUGH_SHARED:
        advice = "give the container more shared memory (docker run --shm-size 8g), or set DATALOADER.NUM_WORKERS 0"
        yield Finding(NOTE, f"{what}, little for the workers of a loader", advice)
    else:
        yield Finding(GOOD, what)


def data_sets() -> Iterator[Finding]:
    """Which data sets have all their files."""
    root = data_dir()
    own = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    ready, partly = [], []
    for stem in dict.fromkeys([*FOLDER_NAMES, *own]):
        try:
            files = [path for split in SPLITS for path in dataset_entry(f"{stem}_{split}").files.values()]
        except UserError:
            continue  # no folder of that name
        missing = sorted({str(path) for path in files if not path.exists()})
        if not missing:
            ready.append(stem)
        elif len(missing) < len(set(files)):
            partly.append((stem, missing))
    for stem, missing in partly:
        advice = f"put the missing files of {stem} there (DATASET.md says where from)"
        yield Finding(NOTE, f"data set {stem} lacks {', '.join(missing)}", advice)
    if ready:
        yield Finding(GOOD, f"data sets in {root}: {', '.join(ready)}")
    else:
        advice = (
            "make demo renders its own data; DATASET.md says where to get others, the environment variable DATA_DIR"
            " where they lie"
        )
        yield Finding(NOTE, f"no whole data set in {root}", advice)


def needs_of(cfg: Config) -> Iterator[Finding]:
    """Whether the device, the data sets and the start weights that a config names are there."""
    checks: dict[str, Callable[[], object]] = {
        f"MODEL.DEVICE {cfg.MODEL.DEVICE}": partial(resolve_device, cfg.MODEL.DEVICE),
        "start weights": partial(require_start_files, cfg),
    }
    for split in SPLITS:
        names = ", ".join(cfg.DATASETS[split.upper()])
        checks[f"DATASETS.{split.upper()} {names}"] = partial(require_datasets, cfg, [split])
    for what, check in checks.items():
        try:
            check()
        except UserError as error:
            yield Finding(BAD, f"{what}: {error}", f"mend {what}")
        else:
            yield Finding(GOOD, what)
