"""The checkpoints of a run."""

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.errors import UserError


def state():
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "iteration": 7,
        "best": {"metric": "mR@100", "value": None},
    }


def test_what_is_saved_is_what_is_loaded(tmp_path):
    checkpoints, saved = Checkpointer(tmp_path / "run"), state()
    path = checkpoints.save("model_0000007", saved)
    assert path == tmp_path / "run/model_0000007.pth"
    loaded = checkpoints.load(path)
    assert loaded.keys() == saved.keys()
    assert (loaded["iteration"], loaded["best"]) == (7, {"metric": "mR@100", "value": None})
    assert torch.equal(loaded["model"]["weight"], saved["model"]["weight"])
    momentum = loaded["optimizer"]["state"][0]["momentum_buffer"]
    assert torch.equal(momentum, saved["optimizer"]["state"][0]["momentum_buffer"])


def test_the_last_one_is_noted_by_file_name_so_the_folder_can_move(tmp_path):
    checkpoints = Checkpointer(tmp_path / "run")
    assert checkpoints.last() is None
    checkpoints.save("model_0000001", state())
    checkpoints.mark_last("model_0000001")
    assert (tmp_path / "run/last_checkpoint").read_text() == "model_0000001.pth\n"
    (tmp_path / "run").rename(tmp_path / "moved")
    assert Checkpointer(tmp_path / "moved").last() == tmp_path / "moved/model_0000001.pth"


def test_a_note_with_someone_s_absolute_path_means_the_file_beside_it(tmp_path):
    checkpoints = Checkpointer(tmp_path)
    checkpoints.save("model_final", state())
    (tmp_path / "last_checkpoint").write_text("/home/someone/output/model_final.pth")
    assert checkpoints.last() == tmp_path / "model_final.pth"


@pytest.mark.parametrize("note", ["model_0000009.pth\n", ""])
def test_a_note_of_a_file_that_is_gone_is_an_error(tmp_path, note):
    (tmp_path / "last_checkpoint").write_text(note)
    with pytest.raises(UserError, match="last_checkpoint"):
        Checkpointer(tmp_path).last()


def test_a_damaged_or_foreign_checkpoint_is_an_error_that_names_it(tmp_path):
    checkpoints = Checkpointer(tmp_path)
    path = checkpoints.save("model_a", state())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match=r"model_a\.pth is damaged"):
        checkpoints.load(path)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoints.load(tmp_path / "list.pth")


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"schedule": {"best": np.float64(1)}}, r"state\['schedule'\]\['best'\] is a float64"),
        ({"a": [1, {2}]}, r"state\['a'\]\[1\] is a set"),
        ({"f": print}, "builtin_function"),
        ({("x",): 1}, "key"),
    ],
)
def test_what_could_not_be_read_back_is_refused_before_anything_is_written(tmp_path, entry, where):
    with pytest.raises(TypeError, match=where):
        Checkpointer(tmp_path).save("model_a", entry)
    assert not list(tmp_path.iterdir())


def test_a_save_that_fails_leaves_the_former_file(tmp_path, monkeypatch):
    checkpoints = Checkpointer(tmp_path)
    path = checkpoints.save("model_last", {"iteration": 1})

    def full_disk(_, file):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(UserError, match=r"no space left for .*model_last\.pth"):
        checkpoints.save("model_last", {"iteration": 2})
    assert checkpoints.load(path) == {"iteration": 1}
    assert list(tmp_path.iterdir()) == [path]
