"""Several processes take the step of one, and measure what one measures (gloo, on the CPU)."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine.commands import run_test, run_training
from maskrcnn_benchmark.engine.processes import average_gradients, broadcast_model, mean_values
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.distributed import close, peer_failure, setup_distributed

from .test_trainer import make_trainer

ROOT = Path(__file__).resolve().parents[2]
RUNS = ("one", "two")  # of as many processes


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def enter_group(rank: int, processes: int, port: int) -> None:
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "WORLD_SIZE": str(processes),
    }
    torch.set_num_threads(1)
    setup_distributed("cpu")


def gradients_of_one_rank(rank, processes, port, folder):
    enter_group(rank, processes, port)
    torch.manual_seed(rank)
    model = nn.ModuleDict({"both": nn.Linear(3, 2), "first_only": nn.Linear(3, 2), "nobody": nn.Linear(3, 2)})
    broadcast_model(model)
    x = torch.full((1, 3), float(rank + 1))
    loss = model["both"](x).sum()
    if rank == 0:
        loss = loss + model["first_only"](x).sum()
    loss.backward()
    average_gradients(model.parameters())
    values = mean_values({"a": torch.tensor(float(rank)), **({"b": torch.tensor(3.0)} if rank == 0 else {})})
    grads = {name: p.grad for name, p in model.named_parameters()}
    torch.save({"grads": grads, "values": values, "weights": model.state_dict()}, folder / f"{rank}.pth")
    close()


def torchrun(world, processes, *words):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nproc_per_node={processes}",
        f"--master_port={free_port()}",
    ]
    command += [str(ROOT / "tools/relation_train_net.py"), "--config-file", "relation.yaml", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=world, env=environment, capture_output=True, text=True, timeout=300)


class Lost(Exception):
    pass


def runs_of_one_rank(rank, processes, ports, folder):
    """A run that nothing stops; one whose second process fails in iteration 4; and how that goes on."""
    for name, port, fails in zip(("straight", "stopped", "stopped"), ports, (False, True, False), strict=True):
        enter_group(rank, processes, port)
        trainer, _ = make_trainer(folder / name, checkpoint_period=2, validation_period=0)
        trainer.state.sampler.share = (rank, processes)
        torch.manual_seed(100 + rank)  # the dropouts of the processes differ
        if trainer.checkpoints.last() is not None:
            saved = trainer.checkpoints.load(trainer.checkpoints.last())
            assert saved["iteration"] == 3 and len(saved["random"]) == processes
            trainer.state.load(saved, keep_settings=False)
            trainer.state.sampler.position = saved["sampler"]["position"]
        if fails:
            step = trainer.step

            def failing(batches, iteration, step=step):
                if rank == 1 and iteration == 4:
                    next(batches)
                    torch.rand(5)
                    raise Lost
                return step(batches, iteration)

            trainer.step = failing
            with pytest.raises(Lost if rank == 1 else RuntimeError) as caught:
                trainer.run()
            assert (peer_failure(caught.value) is None) == (rank == 1)
        else:
            trainer.run()
        close()


def a_run_whose_last_process_is_asked_to_stop(rank, processes, port, folder):
    enter_group(rank, processes, port)
    trainer, _ = make_trainer(folder / "asked", validation_period=0)
    trainer.stop.asked = rank == processes - 1
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert trainer.state.iteration == 1
    close()


def work_of_one_rank(rank, processes, ports, folder):
    gradients_of_one_rank(rank, processes, ports[0], folder)
    runs_of_one_rank(rank, processes, ports[1:4], folder)
    a_run_whose_last_process_is_asked_to_stop(rank, processes, ports[4], folder)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of what two processes, started once for several tests, have written."""
    folder, ports = tmp_path_factory.mktemp("together"), [free_port() for _ in range(5)]
    mp.start_processes(work_of_one_rank, args=(2, ports, folder), nprocs=2, start_method="spawn")
    return folder


def test_a_request_to_stop_in_one_process_ends_all_after_the_iteration_with_a_checkpoint(together):
    last = Checkpointer(together / "asked").last()
    assert last.name == "model_0000001.pth" and len(Checkpointer(together).load(last)["random"]) == 2


def test_gradients_are_averaged_and_untouched_parameters_stay_without(together):
    processes = 2
    results = [torch.load(together / f"{rank}.pth", weights_only=True) for rank in range(processes)]
    for result in results:
        grads = result["grads"]
        torch.testing.assert_close(grads["both.weight"], torch.full((2, 3), (processes + 1) / 2))
        torch.testing.assert_close(grads["first_only.weight"], torch.full((2, 3), 1 / processes))
        assert grads["nobody.weight"] is None
        assert result["values"] == pytest.approx({"a": (processes - 1) / 2, "b": 3 / processes})
        assert all(
            torch.equal(a, b) for a, b in zip(result["weights"].values(), results[0]["weights"].values(), strict=True)
        )


def test_a_process_that_fails_takes_no_draw_of_the_others_with_it(together):
    """The run goes on after the iteration that all had finished, and ends with the bits of one undisturbed."""
    straight, stopped = (Checkpointer(together / name).load(together / name / "model_final.pth") for name in
                         ("straight", "stopped"))  # fmt: skip
    assert straight["sampler"] == stopped["sampler"]
    assert all(torch.equal(value, stopped["model"][name]) for name, value in straight["model"].items())
    for one, other in zip(straight["random"], stopped["random"], strict=True):
        assert torch.equal(one["torch"], other["torch"])


@pytest.mark.slow
def test_two_processes_train_and_evaluate_as_one(world):
    keys = ["MODEL.ROI_RELATION_HEAD.PENET_DROPOUT", "0.0", "SOLVER.MAX_ITER", "3", "SOLVER.BASE_LR", "0.02"]
    keys += ["TEST.SAVE_PREDICTIONS", "True"]
    # One image a process either way: what an image is padded to is not neutral.
    of = {name: ["OUTPUT_DIR", f"{name}/out", "TEST.IMS_PER_BATCH", str(n)] for n, name in enumerate(RUNS, 1)}
    result = torchrun(world, 2, *keys, *of["two"])
    assert result.returncode == 0, result.stderr[-3000:]
    run_training(load_config(world / "relation.yaml", [*keys, *of["one"]]), skip_test=True)

    one, two = (torch.load(world / name / "out/model_final.pth", weights_only=True) for name in RUNS)
    moved = 0
    for name, value in one["model"].items():
        torch.testing.assert_close(
            two["model"][name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )
        moved += name.startswith("roi_heads.relation")
    assert moved and one["sampler"] == two["sampler"]
    one, two = (
        [json.loads(line) for line in (world / name / "out/metrics.jsonl").read_text().splitlines()] for name in RUNS
    )
    for a, b in zip(one, two, strict=True):
        assert {k: v for k, v in a.items() if "loss" in k} == pytest.approx(
            {k: v for k, v in b.items() if "loss" in k}, rel=1e-4
        )

    place = world / "two/out/inference/tiny_test"
    assert sorted(path.name for path in (place / "predictions").iterdir()) == ["0000.npz", "0001.npz"]
    sharded = (place / "metrics.json").read_text()
    (place / "metrics.json").unlink()
    run_test(load_config(world / "two/out/config.yml", ["TEST.IMS_PER_BATCH", "1"]), weight_named=False)
    assert (place / "metrics.json").read_text() == sharded
