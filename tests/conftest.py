"""What every test may use: the folder of published figures, a device, and markers that skip with a reason."""

import os
from pathlib import Path

import pytest
import torch

# One thread a worker: the suite runs in several processes at once.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with published figures and real annotation files, named by SGG_SHARED; skips where it is absent."""
    folder = Path(os.environ.get("SGG_SHARED", "../shared")).resolve()
    if not folder.is_dir():
        pytest.skip(f"SGG_SHARED {folder} is not there")
    return folder


def pytest_collection_modifyitems(items):
    """Skips tests marked gpu where torch sees no CUDA device."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
