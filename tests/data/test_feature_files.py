"""Files of cached features: what their spec.json says wrongly is refused, or its images are made anew."""

import json

import numpy as np
import pytest

from maskrcnn_benchmark.data.feature_cache import FeatureFiles
from maskrcnn_benchmark.utils.errors import UserError


@pytest.fixture
def folder(tmp_path):
    FeatureFiles(tmp_path / "cache").add(0, [(7, 2, {"roi": ("entity", np.ones((2, 5), np.float16))})])
    return tmp_path / "cache"


@pytest.mark.parametrize("change", [{"shape": [True]}, {"shape": [-5]}, {"shape": "5"}, {"dtype": "x"}, {"rows": "ox"}])
def test_a_spec_that_cannot_be_is_refused(folder, change):
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps({"roi": spec["roi"] | change}))
    with pytest.raises(UserError, match=r"spec\.json: not written by DATALOADER\.FEATURE_CACHE.*remove"):
        FeatureFiles(folder)


@pytest.mark.parametrize("shape", [[2**40, 2**40], [2**64], [6]])
def test_rows_larger_than_the_files_hold_no_image(folder, shape):
    assert 7 in FeatureFiles(folder)
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps({"roi": spec["roi"] | {"shape": shape}}))
    assert 7 not in FeatureFiles(folder)
