"""
Kills a training, the making of a feature cache, of a data set and of prototypes at random moments, starts each again
until it ends, and compares what it leaves with what an undisturbed one leaves.

Example: python -m tests.stress.kills --kills 200 --seed 0

Prints a line a kind of work; status 1 where anything was lost, differs, or a temporary file is left after the last
start.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.custom import make_dataset
from maskrcnn_benchmark.data.feature_cache import FeatureFiles
from maskrcnn_benchmark.engine.commands import run_training
from maskrcnn_benchmark.utils.errors import run_tool
from tests.engine.tiny import OBJECTS, PREDICATES, relation_keys, write_config, write_data, write_word_vectors

HEAD = "MODEL.ROI_RELATION_HEAD."
QUICK = ["SOLVER.MAX_ITER", "4", "SOLVER.VAL_PERIOD", "2", "SOLVER.STEPS", "(3,)"]
# A run that is started this often without an end is one that cannot go on.
MOST_STARTS = 40


def train(folder: Path, *overrides: str) -> None:
    """A training in the folder; the data lies in its `world`."""
    words = [*QUICK, "OUTPUT_DIR", str(folder / "out"), *overrides]
    run_training(load_config(folder / "world/relation.yaml", words), skip_test=True)


def training(folder: Path) -> None:
    """Four iterations with a checkpoint each, two validations, images from a worker."""
    train(folder, "SOLVER.CHECKPOINT_PERIOD", "1", "DATALOADER.NUM_WORKERS", "1")


def cache(folder: Path) -> None:
    """The features of all training images, and an iteration on them."""
    frozen = [
        "MODEL.FREEZE_DETECTOR",
        "True",
        HEAD + "FREEZE_FEATURE_EXTRACTORS",
        "True",
        "MODEL.WEIGHT",
        str(folder / "world/start.pth"),
    ]
    train(
        folder,
        *frozen,
        "DATALOADER.FEATURE_CACHE",
        str(folder / "cache"),
        "SOLVER.MAX_ITER",
        "1",
        "SOLVER.TO_VAL",
        "False",
    )


def data(folder: Path) -> None:
    """A data set of the user's own."""
    images = folder / "world/tiny/VG_100K"
    make_dataset([folder / "world/entries.json"], images, folder / "made", val=0.0, test=0.2)


def prototypes(folder: Path) -> None:
    """The visual prototypes of the training images."""
    keys = {
        "STORE_UNION": "True",
        "VIS_PRO_DIM": "16",
        "VIS_VAE_INPUT_DIM": "16",
        "VIS_PRO_PATH": str(folder / "protos.pt"),
    }
    train(folder, *[word for key, value in keys.items() for word in (HEAD + key, value)])


def read_training(folder: Path) -> Any:
    """The last checkpoint, and the figures of each iteration and validation without what a clock decides."""
    out = folder / "out"
    lines = [
        json.loads(line)
        for name in ("metrics", "validation")
        for line in (out / f"{name}.jsonl").read_text().splitlines()
    ]
    figures = [
        {key: value for key, value in line.items() if "seconds" not in key and "memory" not in key} for line in lines
    ]
    return {name: torch.load(out / name, weights_only=True) for name in ("model_final.pth", "model_best.pth")} | {
        "figures": figures
    }


def read_cache(folder: Path) -> Any:
    """Every array of every image."""
    found = {}
    for group in sorted((folder / "cache").iterdir()):
        files = FeatureFiles(group)
        found[group.name] = {
            image: {name: np.array(rows) for name, rows in files[image].items()} for image in range(1, 9)
        }
    return found


def read_data(folder: Path) -> Any:
    """The bytes of every file but the h5, and that one's arrays."""
    import h5py

    with h5py.File(folder / "made/VG-SGG-with-attri.h5") as file:
        arrays = {name: file[name][()] for name in file}
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "made").rglob("*.jp*g"))}
    return (
        arrays,
        files,
        [(folder / "made" / name).read_text() for name in ("VG-SGG-dicts-with-attri.json", "image_data.json")],
    )


def read_prototypes(folder: Path) -> Any:
    """The file."""
    return torch.load(folder / "protos.pt", weights_only=True)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "training": (training, read_training),
    "cache": (cache, read_cache),
    "data": (data, read_data),
    "prototypes": (prototypes, read_prototypes),
}


def equal(one: Any, other: Any) -> bool:
    """Whether two results are the same to the bit."""
    if isinstance(one, (torch.Tensor, np.ndarray)):
        return bool((torch.equal if isinstance(one, torch.Tensor) else np.array_equal)(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def run(work: Callable[[Path], None], folder: Path, kill_after: float | None) -> tuple[bool, int]:
    """(whether it was killed, its status) of a work in a fork of this process, in a process group of its own."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1), os.dup2(log, 2)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            os.environ["DATA_DIR"] = str(folder / "world")
            os.chdir(folder)
            status = run_tool(lambda: work(folder) or 0)
        except BaseException:  # noqa: BLE001 (it goes to the log of the work; nothing of the parent may run here)
            traceback.print_exc()
        finally:
            os._exit(status)
    with suppress(OSError):
        os.setpgid(pid, pid)  # whichever of the two comes first
    if kill_after is not None:
        end = time.monotonic() + kill_after
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return False, os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.killpg(pid, signal.SIGKILL)  # a batch scheduler's: main process and workers at once
    _, status = os.waitpid(pid, 0)
    return kill_after is not None, os.waitstatus_to_exitcode(status)


def fresh(world: Path, parent: Path) -> Iterator[Path]:
    """Folders with a copy of the inputs, one after the other."""
    number = 0
    while True:
        folder = parent / str(number)
        shutil.copytree(world, folder / "world")
        yield folder
        shutil.rmtree(folder)
        number += 1


def stress(kind: str, world: Path, parent: Path, kills: int, random_: random.Random) -> list[str]:
    """What went wrong in a kind of work that is killed so often."""
    work, read = KINDS[kind]
    folders = fresh(world, parent)
    folder = next(folders)
    started = time.monotonic()
    if run(work, folder, None)[1]:
        return [f"fails undisturbed: {(folder / 'log.txt').read_text()[-400:]}"]
    seconds, wanted = time.monotonic() - started, read(folder)
    faults, done, runs = [], 0, 0
    while done < kills:
        folder = next(folders)
        for _ in range(MOST_STARTS):
            last = done >= kills or random_.random() < 0.2
            killed, status = run(work, folder, None if last else random_.uniform(0, 1.1 * seconds))
            done += killed
            if not killed:
                break
        runs += 1
        said = (folder / "log.txt").read_text()
        left = [path.name for path in folder.rglob(".*.tmp-*")]
        if status:
            faults.append(f"ends with status {status}: {said[-400:]}")
        elif not equal(read(folder), wanted):
            faults.append("another result")
        if left or "Traceback" in said:
            faults.append(f"left {left}, traceback {'Traceback' in said}")
    line = f"{kind}: {done} kills over {runs} runs of {seconds:.1f} s, {len(faults)} faults"
    sys.stdout.write(line + "".join(f"\n  {fault}" for fault in faults) + "\n")
    sys.stdout.flush()
    return faults


def make_world(folder: Path) -> Path:
    """The data set `tiny`, word vectors, a config, entries for make_dataset, and a model to cache the features of."""
    folder.mkdir()
    write_data(folder)
    write_word_vectors(folder)
    keys = relation_keys()
    del keys["SOLVER"]["MAX_ITER"]
    write_config(folder / "relation.yaml", keys)
    config = yaml.safe_load((folder / "relation.yaml").read_text()) | {"GLOVE_DIR": "world"}
    (folder / "relation.yaml").write_text(yaml.safe_dump(config))
    entries = [
        {
            "file": f"{number}.jpg",
            "objects": [
                {"box": [2, 2, 30, 30], "label": OBJECTS[number % 4]},
                {"box": [20, 20, 60, 60], "label": OBJECTS[0]},
            ],
            "relations": [[0, PREDICATES[number % 3], 1]],
        }
        for number in range(1, 14)
    ]
    (folder / "entries.json").write_text(json.dumps(entries))
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="over all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    faults = []
    with tempfile.TemporaryDirectory() as place:
        world = make_world(Path(place, "world"))
        shutil.copytree(world, Path(place, "first/world"))
        if run(
            lambda folder: train(folder, "SOLVER.MAX_ITER", "1", "SOLVER.TO_VAL", "False"), Path(place, "first"), None
        )[1]:
            sys.stderr.write(Path(place, "first/log.txt").read_text())
            return 1
        shutil.copy(Path(place, "first/out/model_final.pth"), world / "start.pth")
        for number, kind in enumerate(args.kinds):
            kills = args.kills // len(args.kinds) + (number < args.kills % len(args.kinds))
            faults += stress(kind, world, Path(place, kind), kills, random.Random(f"{args.seed} {kind}"))
    sys.stdout.write(f"{args.kills} kills, {len(faults)} faults\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
