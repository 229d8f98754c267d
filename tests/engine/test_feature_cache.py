"""Training and evaluating on cached features gives what images would give, and reads no image."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta, make_data_loader
from maskrcnn_benchmark.data.datasets import base
from maskrcnn_benchmark.engine import feature_cache
from maskrcnn_benchmark.engine.commands import run_test, run_training
from maskrcnn_benchmark.engine.feature_cache import with_feature_cache
from maskrcnn_benchmark.engine.start import load_start
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.errors import UserError

HEAD = "MODEL.ROI_RELATION_HEAD."
ROOT = Path(__file__).resolve().parents[2]
SGCLS = [HEAD + "USE_GT_OBJECT_LABEL", "False"]
SGDET = [HEAD + "USE_GT_BOX", "False", *SGCLS]
# Images of a batch share one canvas, which the cache does without: compared are batches of one.
ALONE = ["SOLVER.IMS_PER_BATCH", "1", "TEST.IMS_PER_BATCH", "1", "INPUT.HORIZONTAL_FLIP_PROB_TRAIN", "0"]


@pytest.fixture
def trained(world):
    """relation.yaml's world with a relation model that has been trained for a few updates."""
    cfg = load_config(world / "relation.yaml", ["OUTPUT_DIR", str(world / "first"), "SOLVER.TO_VAL", "False"])
    run_training(cfg, skip_test=True)
    # Its detector is random, which the file says; as good as any to compare features with.
    content = torch.load(world / "first/model_final.pth", weights_only=True)
    del content["detector"]
    torch.save(content, world / "first/model_final.pth")
    return world


def config(world, *overrides, cache="cache"):
    frozen = ["MODEL.FREEZE_DETECTOR", "True", HEAD + "FREEZE_FEATURE_EXTRACTORS", "True"]
    weights = ["MODEL.WEIGHT", str(world / "first" / "model_final.pth")]
    return load_config(
        world / "relation.yaml", [*frozen, *weights, "DATALOADER.FEATURE_CACHE", cache, *ALONE, *overrides]
    )


def loaded(cfg):
    torch.manual_seed(0)
    model = build_detection_model(cfg, load_dataset_meta(cfg))
    load_start(cfg, model)
    return model


def loaders(cfg, model, split):
    """The loader of images, and that of features."""
    plain = make_data_loader(cfg, split, task=model.task)
    return plain, with_feature_cache(cfg, model, make_data_loader(cfg, split, task=model.task), f"tiny_{split}")


@pytest.mark.parametrize("mode", [[], SGCLS, SGDET], ids=["predcls", "sgcls", "sgdet"])
def test_losses_are_those_of_images_up_to_half_precision(mode, trained):
    cfg = config(trained, *mode)
    model = loaded(cfg).train()
    plain, cached = loaders(cfg, model, "train")
    for (number, images), features in zip(zip(range(8), plain, strict=False), cached, strict=False):
        torch.manual_seed(number)
        expected = model(images.images, images.targets)
        torch.manual_seed(number)
        found = model(features.images, features.targets)
        assert found.keys() == expected.keys()
        for name in expected:
            torch.testing.assert_close(
                found[name], expected[name], rtol=5e-3, atol=5e-3, msg=lambda m, name=name: f"{name}: {m}"
            )


@pytest.mark.parametrize("mode", [[], SGCLS, SGDET], ids=["predcls", "sgcls", "sgdet"])
def test_results_are_those_of_images_up_to_half_precision(mode, trained):
    cfg = config(trained, *mode)
    model = loaded(cfg).eval()
    plain, cached = loaders(cfg, model, "test")
    for images, features in zip(plain, cached, strict=True):
        with torch.no_grad():
            expected, found = model(images.images, images.targets)[0], model(features.images, features.targets)[0]
        torch.testing.assert_close(found.bbox, expected.bbox)
        scores = []
        for result in (expected, found):
            n, order = len(result), result.get_field("rel_pair_idxs")
            table = torch.zeros(n, n, 4)
            table[order[:, 0], order[:, 1]] = result.get_field("pred_rel_scores")
            scores.append(table)
        torch.testing.assert_close(scores[1], scores[0], rtol=5e-3, atol=5e-3)


def test_training_and_evaluation_open_no_image_once_features_are_there(trained, monkeypatch):
    unseen = ["LOG.PICTURES", "0"]  # a validation's pictures are drawn on the images
    run_training(config(trained, "OUTPUT_DIR", str(trained / "second"), *unseen), skip_test=False)

    def refuse(path, **_):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(base, "read_image", refuse)
    again = run_training(config(trained, "OUTPUT_DIR", str(trained / "third"), *unseen), skip_test=False)
    assert again["tiny_test"]["images"] == 3
    # A trained model's extractors are the frozen ones: its test finds the same features.
    assert run_test(config(trained, "OUTPUT_DIR", str(trained / "third")), weight_named=False) == again


def test_one_training_is_the_same_whether_it_made_the_cache_or_found_it(trained):
    for out in ("made", "found"):
        run_training(config(trained, "OUTPUT_DIR", str(trained / out)), skip_test=True)
    made, found = (
        torch.load(trained / out / "model_final.pth", weights_only=True)["model"] for out in ("made", "found")
    )
    assert all(torch.equal(made[name], found[name]) for name in made)


def test_visual_prototypes_from_the_cache_are_those_from_images(trained):
    keys = [HEAD + "STORE_UNION", "True", HEAD + "VIS_PRO_PATH"]
    banks = []
    for cache in ("", "cache"):
        run_training(config(trained, *keys, str(trained / f"{cache}.pt"), cache=cache), skip_test=True)
        banks.append(torch.load(trained / f"{cache}.pt", weights_only=True)["prototypes"])
    torch.testing.assert_close(banks[1], banks[0], rtol=2e-3, atol=2e-3)


def test_training_uses_the_features_that_prototypes_were_made_from(trained, monkeypatch):
    keys = [HEAD + "STORE_UNION", "True", HEAD + "VIS_PRO_PATH", str(trained / "bank.pt")]
    run_training(config(trained, *keys), skip_test=True)
    computed = made(monkeypatch)
    cfg = config(trained)
    loaders(cfg, loaded(cfg), "train")
    assert not computed


def test_frozen_extractors_do_not_change(trained):
    run_training(config(trained, "OUTPUT_DIR", str(trained / "second"), cache=""), skip_test=True)
    before, after = (
        torch.load(trained / out / "model_final.pth", weights_only=True)["model"] for out in ("first", "second")
    )
    frozen = [name for name in before if "feature_extractor" in name or name.startswith("backbone")]
    assert len(frozen) > 20 and all(torch.equal(before[name], after[name]) for name in frozen)
    assert any(not torch.equal(before[name], after[name]) for name in before if ".predictor." in name)


def made(monkeypatch):
    """Counts the images whose features are computed."""
    computed = []
    image_features = feature_cache.image_features

    def counting(model, image, target, groups):
        computed.append((target.get_field("image_id"), *groups))
        return image_features(model, image, target, groups)

    monkeypatch.setattr(feature_cache, "image_features", counting)
    return computed


def test_features_of_other_weights_settings_or_annotations_are_not_used(trained, monkeypatch):
    cfg = config(trained)
    model, computed = loaded(cfg), made(monkeypatch)
    loaders(cfg, model, "test")
    assert len(computed) == 3
    loaders(cfg, model, "test")
    assert len(computed) == 3
    with torch.no_grad():
        model.roi_heads.relation.predictor.post_emb.weight.add_(1)  # no part of the features
    loaders(cfg, model, "test")
    assert len(computed) == 3
    with torch.no_grad():
        model.roi_heads.relation.union_feature_extractor.feature_extractor.fc7.weight[0, 0] += 1e-3
    loaders(cfg, model, "test")
    assert len(computed) == 6
    loaders(config(trained, "INPUT.MIN_SIZE_TEST", "48"), model, "test")
    assert len(computed) == 9
    loaders(cfg, model, "val")
    assert len(computed) == 11
    annotations = trained / "tiny" / "VG-SGG-with-attri.h5"
    os.utime(annotations, ns=(1, 1))
    loaders(cfg, model, "test")
    assert len(computed) == 14


def test_modes_with_the_same_boxes_share_their_features(trained, monkeypatch):
    computed = made(monkeypatch)
    for mode in ([], SGCLS):
        cfg = config(trained, *mode)
        loaders(cfg, loaded(cfg), "test")
    assert [groups[1:] for groups in computed] == [("relation",)] * 3 + [("entities",)] * 3


def test_what_a_killed_process_left_is_cut_off_and_completed(trained, monkeypatch):
    cfg = config(trained)
    model = loaded(cfg)
    whole = [features.images[0] for features in loaders(cfg, model, "test")[1]]
    expected = [np.array(image.arrays[0]["union_features"]) for image in whole]
    folder = next((trained / "cache").glob("tiny_test-relation-*"))
    unions, journal = folder / "union_features.0.bin", folder / "journal.0.bin"
    os.truncate(unions, unions.stat().st_size - 7)  # the last image's rows are not all there
    with open(journal, "ab") as file:
        file.write(b"\x01\x02\x03")  # nor is a record
    computed = made(monkeypatch)
    again = [features.images[0] for features in loaders(cfg, model, "test")[1]]
    assert len(computed) == 1
    for image, union_features in zip(again, expected, strict=True):
        np.testing.assert_array_equal(image.arrays[0]["union_features"], union_features)


@pytest.mark.parametrize("name", ["union_features.0.bin", "journal.0.bin"])
def test_one_changed_bit_is_an_error_that_names_image_and_folder_or_makes_the_image_anew(name, trained, monkeypatch):
    cfg = config(trained)
    model = loaded(cfg)
    loaders(cfg, model, "test")
    folder = next((trained / "cache").glob("tiny_test-relation-*"))
    content = bytearray((folder / name).read_bytes())
    content[0 if name.startswith("journal") else len(content) // 2] ^= 8
    (folder / name).write_bytes(content)
    computed = made(monkeypatch)
    if name.startswith("journal"):
        loaders(cfg, model, "test")
        assert len(computed) == 1  # the image whose id was changed
    else:
        with pytest.raises(
            UserError, match=rf"{folder.name}: the features of image \d+ are damaged; remove the folder"
        ):
            list(loaders(cfg, model, "test")[1])


KILLED = """
import sys, time
from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine import feature_cache
from maskrcnn_benchmark.engine.commands import run_training
feature_cache._IMAGES_AT_ONCE = 1
image_features = feature_cache.image_features
count = 0
def slow(*args):
    global count
    count += 1
    if count == 4:
        open("fourth", "w").close()
        time.sleep(60)
    return image_features(*args)
feature_cache.image_features = slow
run_training(load_config(sys.argv[1], sys.argv[2:]), skip_test=True)
"""


def test_a_kill_while_features_are_written_loses_only_the_image_at_hand(trained, monkeypatch):
    cfg = config(trained, "OUTPUT_DIR", str(trained / "second"))
    (trained / "second.yaml").write_text(cfg.dump())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(trained / "second.yaml")], env=environment, cwd=trained
    )
    deadline = time.monotonic() + 60
    while not (trained / "fourth").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    computed = made(monkeypatch)
    loaders(cfg, loaded(cfg), "train")
    assert len(computed) == 8 - 3


def test_while_another_run_fills_the_cache_every_process_hears_of_each_try(tmp_path, monkeypatch):
    """A process group gives up on a process that it has not heard of for too long."""
    heard = []
    other = open(tmp_path / "lock", "w")  # noqa: SIM115 (closed as the third try is told)
    fcntl.flock(other, fcntl.LOCK_EX)

    def gather(outcome):
        heard.append(outcome[0])
        if len(heard) == 2:
            other.close()
        return [outcome, (False, "")]

    monkeypatch.setattr(feature_cache, "all_gather_objects", gather)
    monkeypatch.setattr(feature_cache, "_SECONDS_BETWEEN_TRIES", 0)
    with feature_cache._one_run_at_a_time([tmp_path]), open(tmp_path / "lock") as again, pytest.raises(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert heard == [False, False, True]


def test_keys_that_contradict_the_cache_are_errors(trained):
    for key in ("MODEL.FREEZE_DETECTOR", HEAD + "FREEZE_FEATURE_EXTRACTORS"):
        with pytest.raises(
            UserError, match="FREEZE_FEATURE_EXTRACTORS True and MODEL.FREEZE_DETECTOR True.*trained relation model"
        ):
            run_training(config(trained, key, "False", "OUTPUT_DIR", str(trained / "second")), skip_test=True)
    with pytest.raises(UserError, match=r"one size.*\(64, 72\)"):
        run_training(
            config(trained, "INPUT.MIN_SIZE_TRAIN", "(64, 72)", "OUTPUT_DIR", str(trained / "second")), skip_test=True
        )


def test_features_beyond_half_precision_are_an_error(trained):
    cfg = config(trained)
    model = loaded(cfg)
    with torch.no_grad():
        model.roi_heads.relation.box_feature_extractor.fc7.bias += 1e6
    with pytest.raises(UserError, match="float16.*roi_features"):
        loaders(cfg, model, "test")


def test_a_folder_of_something_else_is_an_error(trained):
    cfg = config(trained)
    model = loaded(cfg)
    loaders(cfg, model, "test")
    next((trained / "cache").glob("tiny_test-relation-*/spec.json")).write_text("{")
    with pytest.raises(UserError, match="spec.json.*remove"):
        loaders(cfg, model, "test")
