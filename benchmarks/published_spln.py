"""
The two published SPLN trainings at full width: time, memory, disk, and whether everything arrives.

Example: nice python -m benchmarks.published_spln --sources LLAMA

In a temporary folder lie, where the published words look for them, a few noise images in Visual Genome's layout with
VG150's numbers of classes, word vectors, a random detector and random prototype files as published (bare tensors, half
precision). tools/relation_train_net.py takes the published words, unprefixed keys included, is stopped by SIGTERM and
started again; scripts/test.sh evaluates in the three modes. What else is overridden is printed: only things that cost
time. A source's checkpoints take gigabytes and are deleted with it.
"""

import argparse
import json
import multiprocessing
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.published_vg import (
    CONCEPTUAL,
    DETECTOR,
    PROTOTYPES,
    VISUAL,
    write_detector,
    write_prototypes,
    write_vg150,
)
from maskrcnn_benchmark.utils.files import write_json

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/e2e_relation_X_101_32_8_FPN_1x.yaml"
RUN = PROTOTYPES  # OUTPUT_DIR of the published commands, which name none: the folder that their prototypes lie in
LOSSES = {"loss_rel", "sem_simi_loss", "vis_simi_loss", "con_simi_loss", "vis_vae_loss", "con_vae_loss"}
# Published without MODEL. in front.
UNPREFIXED = ("VIS_PRO_DIM", "STORE_UNION", "VIS_VAE_LATENT_DIM", "VIS_VAE_INPUT_DIM", "VIS_PRO_PATH")
CURRICULUM = 30000  # iterations in which a falling weight would reach 0
MIB = 2**20


def published_words(source: str) -> list[str]:
    """
    The KEY VALUE words of the published command for LLAMA or CLIP as they stand, from scripts/train.sh, which spells
    keys in full.
    """
    command = ["bash", str(ROOT / "scripts/train.sh"), f"spln-{source.lower()}", "predcls"]
    printed = subprocess.run(
        command, env={**os.environ, "DRY_RUN": "1"}, capture_output=True, text=True, check=True
    ).stdout
    words = shlex.split(printed)
    words = words[words.index("--config-file") + 2 : words.index("OUTPUT_DIR")]
    return [word.removeprefix("MODEL.") if word.endswith(UNPREFIXED) else word for word in words]


@dataclass
class Place:
    """A working directory that looks like the project's, with all files in it, and the runs made there."""

    folder: Path
    runs: list[dict] = field(default_factory=list)
    checks: dict[str, bool] = field(default_factory=dict)

    def run(self, name: str, command: list[str], *, stop_at: int = 0, **environment: str) -> None:
        """
        Runs a command to its end, or with `stop_at` asks it to stop once that iteration is logged; adds seconds and
        peak memory to `runs`.

        Seconds of processor time say more than those of the clock where others work on the same cores.

        Raises:
            RuntimeError: another exit status than expected, with the end of what the command said.
        """
        log, metrics = self.folder / "log.txt", self.folder / RUN / "metrics.jsonl"
        started = time.perf_counter()
        with open(log, "w", encoding="utf-8") as said:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable, **environment}
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        while (
            stop_at and process.poll() is None and (not metrics.exists() or metrics.read_text().count("\n") < stop_at)
        ):
            time.sleep(0.1)
        if stop_at and process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != (130 if stop_at else 0):
            raise RuntimeError(f"{name}: exit status {process.returncode}\n{log.read_text()[-3000:]}")
        seconds, processor = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
        self.runs.append(
            {"name": name, "seconds": seconds, "processor_seconds": processor, "peak_MiB": usage.ru_maxrss * 1024 / MIB}
        )
        print(
            f"  {name}: {seconds:.0f} s ({processor:.0f} s of processor time), {self.runs[-1]['peak_MiB']:,.0f} MiB",
            flush=True,
        )

    def check(self, statement: str, holds: bool) -> None:
        self.checks[statement] = holds
        print(f"  {'holds' if holds else 'FAILS'}: {statement}", flush=True)


def overrides(args: argparse.Namespace) -> list[str]:
    """What is added to the published words: nothing that changes a width."""
    keys = {
        "MODEL.DEVICE": "cpu",
        "SOLVER.MAX_ITER": args.iterations,
        "SOLVER.IMS_PER_BATCH": args.batch,
        "SOLVER.LOG_PERIOD": 1,
        "INPUT.MIN_SIZE_TRAIN": f"({args.side},)",
        "INPUT.MAX_SIZE_TRAIN": 2 * args.side,
        "INPUT.MIN_SIZE_TEST": args.side,
        "INPUT.MAX_SIZE_TEST": 2 * args.side,
        "DATALOADER.NUM_WORKERS": 0,
        "TEST.SAVE_PREDICTIONS": True,
    }
    return [str(word) for pair in keys.items() for word in pair]


def measure(folder: Path, source: str, args: argparse.Namespace) -> dict:
    """Trains in two parts, evaluates, and says what was found; leaves no checkpoint."""
    place, more = Place(folder), overrides(args)
    train = [sys.executable, "tools/relation_train_net.py", "--config-file", CONFIG, *published_words(source), *more]
    place.run("training, stopped", [*train, "--skip-test"], stop_at=args.stop)
    first = log_lines(folder)
    halfway = {path.name: path.stat().st_size / MIB for path in sorted((folder / RUN).glob("*.pth"))}
    stopped = len(first)
    place.run("training, resumed, validated and tested", train)
    lines = log_lines(folder)
    sizes = halfway | {path.name: path.stat().st_size / MIB for path in sorted((folder / RUN).glob("*.pth"))}
    (folder / RUN / f"model_{stopped:07d}.pth").unlink()

    place.check("the stopped run left a checkpoint of its last iteration", f"model_{stopped:07d}.pth" in halfway)
    place.check(
        "the resumed run kept its lines and goes on after them", lines[:stopped] == first and stopped < args.iterations
    )
    place.check(
        "every iteration has one line", [line["iteration"] for line in lines] == [*range(1, args.iterations + 1)]
    )
    place.check(
        "losses are those published", all({k for k in line if "loss" in k} == {"loss", *LOSSES} for line in lines)
    )
    place.check("losses are finite", all(isinstance(line[name], float) for line in lines for name in LOSSES))
    falling = [1 - line["iteration"] / CURRICULUM for line in lines]
    followed = all(abs(line["reweight_factor"] - factor) < 1e-6 for line, factor in zip(lines, falling, strict=True))
    place.check("the curriculum's factor is that of the iteration", followed)

    test, weight = ["bash", "scripts/test.sh", f"spln-{source.lower()}"], ["MODEL.WEIGHT", str(RUN / "model_final.pth")]
    for task in ("sgcls", "sgdet", "predcls"):
        if task == "predcls":  # the last test goes without prototype files
            for path in (VISUAL, CONCEPTUAL[source]):
                (folder / path).unlink()
        output = f"output/{task}"
        place.run(f"test, {task}", [*test, task, *more, *weight, "OUTPUT_DIR", output], CONFIG=CONFIG)
        found, predictions = results_of(folder / output)
        place.check(f"metrics.json of {task} is written", found["mode"] == task and found["images"] == args.test_images)
    same = bool(predictions) and (found, predictions) == results_of(folder / RUN)
    place.check(
        "the test tool without prototype files predicts, to the bit, what the training's own test did with them", same
    )
    return {
        "source": source,
        "words": published_words(source),
        "overrides": more,
        "iterations": [
            {"iteration": line["iteration"], "seconds": line["seconds"], "loss": line["loss"]} for line in lines
        ],
        "stopped_after": stopped,
        "runs": place.runs,
        "checkpoints_MiB": sizes,
        "checks": place.checks,
    }


def log_lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / RUN / "metrics.jsonl").read_text().splitlines()]


def results_of(output_dir: Path) -> tuple[dict, dict[str, bytes]]:
    """What metrics.json says, and the files of predictions, whose bytes depend on nothing else."""
    folder = output_dir / "inference/VG_stanford_filtered_with_attribute_test"
    return json.loads((folder / "metrics.json").read_text()), {
        path.name: path.read_bytes() for path in folder.rglob("*.npz")
    }


def make_place(folder: Path, args: argparse.Namespace) -> None:
    """Everything that both sources share."""
    for name in ("scripts", "tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    write_vg150(folder / "datasets/vg", {"train": args.train_images, "val": args.test_images, "test": args.test_images})
    with ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn")
    ) as elsewhere:  # a child's peak would count its parent's
        elsewhere.submit(
            write_detector, folder / DETECTOR, ROOT / "configs/e2e_relation_detector_X_101_32_8_FPN_1x.yaml"
        ).result()


def show(result: dict) -> None:
    """The figures of one source, a row per line."""
    seconds = ", ".join(f"{line['seconds']:.1f}" for line in result["iterations"])
    print(f"\n{result['source']}: stopped after iteration {result['stopped_after']}; seconds per iteration: {seconds}")
    print("| run | seconds | of the processor | peak memory, MiB |\n|---|---|---|---|")
    for run in result["runs"]:
        print(f"| {run['name']} | {run['seconds']:.0f} | {run['processor_seconds']:.0f} | {run['peak_MiB']:,.0f} |")
    print("checkpoints, MiB: " + ", ".join(f"{name} {size:,.0f}" for name, size in result["checkpoints_MiB"].items()))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", choices=list(CONCEPTUAL), default=list(CONCEPTUAL))
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--stop", type=int, default=1, help="the iteration after which the training is stopped once")
    parser.add_argument("--batch", type=int, default=8, help="images per iteration (published: 8)")
    parser.add_argument("--side", type=int, default=96, help="shorter side of images (published: 600)")
    parser.add_argument("--train-images", type=int, default=16)
    parser.add_argument("--test-images", type=int, default=1, help="in each of val and test")
    parser.add_argument("--output", type=Path, default=Path("output/bench/published_spln.json"))
    args = parser.parse_args(argv)
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_place(folder, args)
        print("beside the published words: " + shlex.join(overrides(args)), flush=True)
        for source in args.sources:
            print(f"{source}:", flush=True)
            write_prototypes(folder, source)
            results.append(measure(folder, source, args))
            shutil.rmtree(folder / "output")
    for result in results:
        show(result)
    write_json(args.output, results)
    failed = [
        f"{result['source']}: {name}" for result in results for name, holds in result["checks"].items() if not holds
    ]
    if failed:
        raise SystemExit("does not hold: " + "; ".join(failed))


if __name__ == "__main__":
    main()
