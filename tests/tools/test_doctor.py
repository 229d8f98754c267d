"""What the doctor finds, and what it advises."""

from types import SimpleNamespace

import pytest
import torch

from maskrcnn_benchmark import layers
from maskrcnn_benchmark.engine import doctor
from maskrcnn_benchmark.engine.doctor import BAD, GOOD, NOTE, Finding, conclusion


def test_a_machine_that_works_is_told_so_part_by_part(call, world):
    status, said = call("doctor", "--config-file", world / "relation.yaml")
    assert status == 0
    for part in (
        "torch ",
        "the compiled ops",
        "cpu: convolution, ROIAlign",
        "/dev/shm",
        "MODEL.DEVICE cpu",
        "DATASETS.TEST tiny_test",
    ):
        assert f"ok    {part}" in said or part in said, part
    assert "BAD" not in said


def test_what_a_config_lacks_is_named_and_counts(call, world):
    keys = ["DATASETS.VAL", "('VG_stanford_filtered_val',)", "MODEL.WEIGHT", "no.pth"]
    status, said = call("doctor", "--config-file", world / "relation.yaml", *keys)
    assert status == 1
    assert (
        "BAD   DATASETS.VAL VG_stanford_filtered_val" in said
        and "BAD   start weights: MODEL.WEIGHT no.pth: no such file" in said
    )
    assert "1. mend start weights" in said


def test_data_sets_with_holes_and_whole_ones_are_told_apart(world):
    (world / "tiny" / "VG-SGG-with-attri.h5").rename(world / "away.h5")
    lacking, none = doctor.data_sets()
    assert (
        (lacking.level, none.level) == (NOTE, NOTE)
        and "tiny lacks" in lacking.what
        and "VG-SGG-with-attri.h5" in lacking.what
    )
    (world / "away.h5").rename(world / "tiny" / "VG-SGG-with-attri.h5")
    assert [f.line() for f in doctor.data_sets()] == [f"ok    data sets in {world}: tiny"]


def test_what_is_needed_is_advised_before_what_is_useful_and_each_once():
    findings = [Finding(NOTE, "a", "later"), Finding(BAD, "b", "first"), Finding(GOOD, "c"), Finding(BAD, "d", "first")]
    assert conclusion(findings) == ["To do:", "1. first", "2. later"]
    assert conclusion([Finding(GOOD, "c")])[0].startswith("Nothing to do")


def test_a_failing_op_is_named_with_its_reason(monkeypatch):
    def fail(*_):
        raise RuntimeError("undefined thing\nand more")

    monkeypatch.setattr(layers, "nms", fail)
    bad, good = doctor.ops_on(torch.device("cpu"))
    assert bad.line() == "BAD   cpu: NMS fails: undefined thing" and "build the ops" in bad.advice
    assert good.level == GOOD
    monkeypatch.setattr(layers, "nms", lambda *_: torch.rand(3))
    assert [f.what for f in doctor.ops_on(torch.device("cpu"))] == ["cpu: NMS gives other numbers than the CPU"]


def test_missing_ops_and_little_shared_memory_are_notes(monkeypatch):
    monkeypatch.setattr(doctor._extension, "BUILT", False)
    monkeypatch.setattr(doctor._extension, "WHY_NOT", "undefined symbol: x")
    (finding,) = doctor.extension()
    assert finding.level == NOTE and "undefined symbol: x" in finding.what and "setup.py build_ext" in finding.advice
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 * 2**20))
    (finding,) = doctor.shared_memory()
    assert finding.level == NOTE and "0.1 GiB free" in finding.what and "--shm-size" in finding.advice


SMI = "#!/bin/sh\necho '535.1, RTX 4090'\necho '535.1, RTX 4090'\n"


@pytest.mark.parametrize(
    ("cuda", "hidden", "advice"),
    [(None, None, "CUDA build"), ("13.0", None, "update the driver"), ("13.0", "", "unset CUDA_VISIBLE_DEVICES")],
)
def test_gpus_that_torch_does_not_see_are_explained(tmp_path, monkeypatch, cuda, hidden, advice):
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    (finding,) = doctor.driver()
    assert finding.level == BAD and "2 GPUs" in finding.what and advice in finding.advice


@pytest.mark.parametrize(("compiled", "level"), [([75, 90], None), ([75, 80], NOTE), ([100], BAD), ([], None)])
def test_a_gpu_that_nothing_was_compiled_for_is_told(monkeypatch, compiled, level):
    properties = SimpleNamespace(major=9, minor=0, name="H100")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (60 * 2**30, 80 * 2**30))
    monkeypatch.setattr(doctor, "cuda_architectures", lambda: compiled)
    first, *others = doctor._gpu(torch.device("cuda", 0))
    assert first.line() == "ok    cuda:0: H100, compute capability 9.0, 60.0 of 80.0 GiB free"
    assert [f.level for f in others] == [level] * (level is not None)
    assert all("TORCH_CUDA_ARCH_LIST=9.0" in f.advice for f in others)


@pytest.mark.gpu
def test_every_op_runs_on_the_gpu():
    found = list(doctor.ops_on(torch.device("cuda", 0)))
    assert [f.level for f in found if "ROIAlign" in f.what] == [GOOD]
