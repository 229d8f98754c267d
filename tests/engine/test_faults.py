"""
Faults of the surroundings while a training runs: signals to all of its processes, killed and stalled workers, a lost
standard error.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskrcnn_benchmark.data.workers import worker_failure
from maskrcnn_benchmark.utils.checkpoint import Checkpointer

ROOT = Path(__file__).resolve().parents[2]
LONG = [
    "SOLVER.MAX_ITER",
    "100000",
    "SOLVER.CHECKPOINT_PERIOD",
    "100000",
    "SOLVER.TO_VAL",
    "False",
    "DATALOADER.NUM_WORKERS",
    "2",
]


TRAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, nohup's SIGHUP
signal.signal(signal.SIGHUP, signal.SIG_DFL)
exec(sys.argv[1])
from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine.commands import run_training
from maskrcnn_benchmark.utils.errors import run_tool
sys.exit(run_tool(lambda: len(run_training(load_config("relation.yaml", sys.argv[2:]), skip_test=True))))
"""


class Training:
    """A training in a process group of its own, after the statements `before`; `stderr` takes the place of a file."""

    def __init__(self, world, *overrides, before="", stderr=None):
        self.world, self.output = world, world / "err.txt"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with open(self.output, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", TRAIN, before, *LONG, *overrides],
                cwd=world, env=environment, stdout=file, stderr=stderr or file, start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid

    def iterations(self):
        path = self.world / "out/metrics.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_for(self, iterations):
        deadline = time.monotonic() + 120
        while self.iterations() < iterations and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.02)
        assert self.iterations() >= iterations, self.output.read_text()

    def wait_for_stall(self):
        """Waits until no iteration ends any more."""
        before = -1
        while self.iterations() != before and self.process.poll() is None:
            before = self.iterations()
            time.sleep(4)

    def workers(self):
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.pid)], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split()]

    def end(self):
        """(status, what was said); all processes of the group are gone then."""
        try:
            status = self.process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            pytest.fail(f"no end after two minutes: {self.output.read_text()}")
        with pytest.raises(ProcessLookupError):
            os.killpg(self.pid, 0)
        return status, self.output.read_text()


def saved_iteration(world):
    checkpoints = Checkpointer(world / "out")
    return checkpoints.load(checkpoints.last())["iteration"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_ends_the_run_with_a_checkpoint(number, world):
    training = Training(world)
    training.wait_for(3)
    os.killpg(training.pid, number)
    status, said = training.end()
    assert status == 130 and f"{number.name}: stopping" in said and "Traceback" not in said
    assert saved_iteration(world) == training.iterations() >= 3


def test_a_killed_worker_is_one_line_and_the_last_iteration_is_saved(world):
    training = Training(world)
    training.wait_for(3)
    os.kill(training.workers()[0], signal.SIGKILL)
    status, said = training.end()
    last = said.strip().splitlines()[-1]
    assert status == 2 and last.startswith("error: a process that loads images") and "Traceback" not in said
    assert "was killed by signal: Killed" in last or "exited unexpectedly" in last  # as PyTorch notices it first
    assert saved_iteration(world) >= 3


# What a worker sends is lost with it: the receiver learns of it from a broken connection, before PyTorch looks after
# its workers.
LOST = """
import os, signal, sys
from torch.utils.data import DataLoader
from maskrcnn_benchmark.data.workers import outcomes, worker_failure

def receive(pid):
    os.kill(pid, signal.SIGKILL)
    raise ConnectionResetError(104, "Connection reset by peer")

class Sample:
    def __reduce__(self):
        return receive, (os.getpid(),)

class Samples:
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return Sample()

try:
    list(outcomes(DataLoader(Samples(), num_workers=1, batch_size=None)))
except RuntimeError as error:
    print(worker_failure(error))
"""


def test_a_broken_connection_to_a_worker_that_died_is_the_worker_s_death():
    done = subprocess.run(
        [sys.executable, "-c", LOST],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "a process that loads images (" in done.stdout and "was killed by signal: Killed" in done.stdout, done.stderr


def test_a_standard_error_that_goes_away_stops_nothing(world):
    reading, writing = os.pipe()
    training = Training(world, "SOLVER.MAX_ITER", "6", stderr=writing)
    os.close(writing)
    os.close(reading)
    status, _ = training.end()
    assert status == 0 and saved_iteration(world) == 6
    assert " 6/6 " in (world / "out/log.txt").read_text()


# Reading an image takes for ever once the first few are read.
STALL = """
import multiprocessing, time
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
read = SceneGraphDataset.__getitem__
def stalling(self, item):
    if multiprocessing.parent_process() is not None and item[0] >= 1:
        time.sleep(1000)
    return read(self, item)
SceneGraphDataset.__getitem__ = stalling
"""


def test_a_stalled_worker_is_an_error_after_the_timeout_and_the_last_iteration_is_saved(world):
    training = Training(world, "DATALOADER.TIMEOUT", "2", before=STALL)
    status, said = training.end()
    last = said.strip().splitlines()[-1]
    assert status == 2 and last.startswith(
        "error: no batch came for 2 seconds (DATALOADER.TIMEOUT): the workers (processes "
    )
    assert saved_iteration(world) == training.iterations() >= 1


def test_ctrl_c_twice_ends_a_run_that_waits_for_a_stalled_worker(world):
    training = Training(world, before=STALL)
    training.wait_for(2)
    training.wait_for_stall()  # an interruption in the middle of an update would lose it
    os.killpg(training.pid, signal.SIGINT)
    deadline = time.monotonic() + 30
    while "SIGINT: stopping" not in training.output.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(training.pid, signal.SIGINT)
    status, said = training.end()
    assert status == 130 and "Traceback" not in said and saved_iteration(world) == training.iterations()


FULL = """
mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$0" "$@"
"""


@pytest.mark.usefixtures("world")
def test_a_full_dev_shm_is_one_line_that_says_so():
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /dev/shm"]
    if shutil.which("unshare") is None or subprocess.run(tried, capture_output=True).returncode:
        pytest.skip("no right to mount a small /dev/shm")
    command = [
        sys.executable,
        ROOT / "tools/relation_train_net.py",
        "--config-file",
        "relation.yaml",
        "--skip-test",
        *LONG,
    ]
    command += ["DATALOADER.TIMEOUT", "3", "SOLVER.IMS_PER_BATCH", "8", "DATALOADER.ASPECT_RATIO_GROUPING", "False"]
    command += ["INPUT.MIN_SIZE_TRAIN", "256", "INPUT.MAX_SIZE_TRAIN", "256"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", FULL, *command], capture_output=True, text=True, timeout=100
    )
    last = done.stderr.strip().splitlines()[-1]
    assert (
        done.returncode == 2
        and last.startswith("error: ")
        and "/dev/shm, where workers hand over images, has 0 MiB left" in last
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "DataLoader worker (pid(s) 12, 13) exited unexpectedly",
            "a process that loads images (12, 13) exited unexpectedly: memory may",
        ),
        (
            "DataLoader worker (pid 9) is killed by signal: Bus error. It is possible",
            "(9) was killed by signal: Bus error: /dev/shm",
        ),
        (
            "unable to write to file </torch_4_5>: No space left on device (28)",
            "/dev/shm, where workers hand over images",
        ),
    ],
)
def test_pytorch_s_words_about_workers_are_explained(text, said):
    assert said in str(worker_failure(RuntimeError(text)))


@pytest.mark.parametrize(
    "error", [RuntimeError("Caught ValueError in DataLoader worker process 0."), ValueError("DataLoader timed out")]
)
def test_other_errors_are_none_of_the_workers(error):
    assert worker_failure(error) is None


def test_a_signal_that_is_ignored_from_the_start_stays_so(world):
    training = Training(world, before="signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    training.wait_for(2)
    os.killpg(training.pid, signal.SIGHUP)
    training.wait_for(training.iterations() + 2)
    os.killpg(training.pid, signal.SIGTERM)
    assert training.end()[0] == 130
    assert json.loads((world / "out/metrics.jsonl").read_text().splitlines()[-1])["iteration"] >= 4
