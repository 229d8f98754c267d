"""What every test may use: the folder of published figures, a device, and markers that skip with a reason."""

import os
from pathlib import Path

import pytest
import torch

# One thread per process, those that tests start included: the suite runs in several at once, and threads that wait for
# one another on busy cores cost minutes.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with published figures and real annotation files, named by SGG_SHARED; skips where it is absent."""
    folder = Path(os.environ.get("SGG_SHARED", "../shared")).resolve()
    if not folder.is_dir():
        pytest.skip(f"SGG_SHARED {folder} is not there")
    return folder


def pytest_collection_modifyitems(items):
    """
    Puts files with slow tests first, so that processes which share the files end together; skips tests marked gpu where
    torch sees no CUDA device.
    """
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: item.path not in slow)
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
