"""make_dataset.py --config: files that load, fit the data set and are never written over."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from vg_folders import random_images, write_images

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.data.custom import environment, write_configs
from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.concepts import read_descriptions
from maskrcnn_benchmark.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


SHIPPED = sorted((ROOT / "maskrcnn_benchmark/data/descriptions").glob("*.json"))


@pytest.fixture(autouse=True)
def configs(toy):
    """The working directory holds configs/demo as the repository has it."""
    Path("configs").mkdir()
    Path("configs/demo").symlink_to(ROOT / "configs/demo")
    return toy.parent


def test_the_configs_of_a_data_set_load_and_fit_it():
    folder = write_configs("toy")
    assert folder == Path("configs/toy")
    for kind in ("detector", "predcls", "spln"):
        cfg = load_config(folder / f"{kind}.yaml")
        assert cfg.DATASETS.TRAIN == ("toy_train",) and cfg.DATASETS.TEST == ("toy_test",)
        assert cfg.OUTPUT_DIR == f"./output/toy/{kind}"
        assert load_dataset_meta(cfg).predicates[1:] == ("on", "near", "left of")
        assert cfg.INPUT.HORIZONTAL_FLIP_PROB_TRAIN == 0
        assert max(cfg.SOLVER.STEPS) < cfg.SOLVER.MAX_ITER and cfg.SOLVER.WARMUP_ITERS < min(cfg.SOLVER.STEPS)
    spln, predcls = load_config(folder / "spln.yaml"), load_config(folder / "predcls.yaml")
    assert spln.MODEL.WEIGHT == f"{predcls.OUTPUT_DIR}/model_final.pth"
    detector = f"{load_config(folder / 'detector.yaml').OUTPUT_DIR}/model_final.pth"
    assert spln.MODEL.PRETRAINED_DETECTOR_CKPT == predcls.MODEL.PRETRAINED_DETECTOR_CKPT == detector


def test_the_page_s_files_of_the_published_model_load_and_fit_the_data_set():
    folder = write_configs("toy")
    for file in ROOT.glob("configs/*.yaml"):
        Path("configs", file.name).symlink_to(file)
    Path("configs/base").symlink_to(ROOT / "configs/base")
    page = (ROOT / "docs/own_data.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        (folder / f"{number}.yaml").write_text(block)
        cfg = load_config(folder / f"{number}.yaml")
        assert cfg.DATASETS.TRAIN == ("toy_train",) and cfg.MODEL.RELATION_ON is bool(number)
        assert (cfg.MODEL.ROI_BOX_HEAD.NUM_CLASSES, cfg.MODEL.ROI_RELATION_HEAD.NUM_CLASSES) == (4, 4)


def test_descriptions_are_the_package_s_where_it_has_any(caplog):
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        folder = write_configs("toy")
    predicates = ("__background__", "on", "near", "left of")
    texts = read_descriptions(folder / "descriptions.json", predicates)
    assert len(texts) == 4 and all(len(set(each)) == 3 for each in texts)
    held = json.loads((folder / "descriptions.json").read_text())
    shipped = json.loads((ROOT / "maskrcnn_benchmark/data/descriptions/scenes.json").read_text())
    assert held["on"] in (shipped["on"], *(json.loads(file.read_text()).get("on") for file in SHIPPED))
    assert all(name not in caplog.text for name in ("'on'", "'near'"))


def test_files_that_were_changed_are_kept():
    folder = write_configs("toy")
    write_configs("toy")  # the same again is no harm
    (folder / "descriptions.json").write_text("{}")
    write_configs("toy")
    assert (folder / "descriptions.json").read_text() == "{}"
    (folder / "detector.yaml").write_text("# mine\n")
    with pytest.raises(UserError, match=r"'detector\.yaml' are there already and hold other things"):
        write_configs("toy")
    assert (folder / "detector.yaml").read_text() == "# mine\n"


def test_a_data_set_without_val_is_trained_without_validation(configs):
    images = random_images(12, splits=("train", "test"))
    write_vg_layout(configs / "pair", images, ["man", "horse", "hat"], ["on", "near", "under"])
    write_images(configs / "pair", images)
    cfg = load_config(write_configs(str(configs / "pair")) / "predcls.yaml")
    assert cfg.DATASETS.VAL == () and not cfg.SOLVER.TO_VAL and cfg.INPUT.HORIZONTAL_FLIP_PROB_TRAIN == 0.5


@pytest.mark.parametrize(("target", "message"), [("toy_val", "without _val"), ("nothing", "neither in the catalog")])
def test_what_is_no_data_set_to_train_on_is_named(target, message):
    with pytest.raises(UserError, match=message):
        write_configs(target)


def test_outside_of_the_repository_s_folder_one_line_says_so():
    Path("configs/demo").unlink()
    with pytest.raises(UserError, match=r"configs/demo: .*run this in the repository's folder"):
        write_configs("toy")


def test_the_printed_command_finds_the_data_set(data_dir, tmp_path):
    assert environment(data_dir / "birds") == ""
    ((name, value),) = [word.split("=", 1) for word in shlex.split(environment(tmp_path / "a b/birds"))]
    assert (name, Path(value)) == ("DATA_DIR", tmp_path / "a b")


def test_the_command_line_prints_what_to_do_next(capsys):
    sys.path.insert(0, str(ROOT / "tools"))
    import make_dataset as tool

    from maskrcnn_benchmark.utils.log import close_logging

    assert tool.main(["--config", "toy"]) == 0
    close_logging()
    said = capsys.readouterr().err
    assert "next: python tools/detector_pretrain_net.py --config-file configs/toy/detector.yaml\n" in said
    assert os.path.exists("configs/toy/detector.yaml")
