"""
The four command lines: what they make, and what they answer to bad input: one readable line, and nothing written is
lost.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import torch

from benchmarks.published_spln import published_words
from maskrcnn_benchmark.config import Task, load_config
from maskrcnn_benchmark.modeling.detector import build_detection_model

ROOT = Path(__file__).resolve().parents[2]
RELATION = ROOT / "configs/e2e_relation_X_101_32_8_FPN_1x.yaml"
TINY = "tiny"
pytestmark = pytest.mark.usefixtures("world")


def error_of(result):
    """The one line that a failed command ends with."""
    status, said = result
    assert status == 2 and "Traceback" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


@pytest.mark.parametrize(
    "words, said",
    [
        (["--config-file", "configs/none_such.yaml"], "config file configs/none_such.yaml is not there"),
        (
            ["--config-file", RELATION, "SOLVER.BASE_LRR", "0.1"],
            "unknown key SOLVER.BASE_LRR; the nearest known key is SOLVER.BASE_LR",
        ),
        (["--config-file", RELATION, "SOLVER.MAX_ITER", "many"], "SOLVER.MAX_ITER wants a whole number"),
        (["--config-file", RELATION, "SOLVER.MAX_ITER"], "SOLVER.MAX_ITER has no value"),
        (["--config-file", RELATION, "SOLVER.MAX_ITER", "10", " "], "is blank: a space after a trailing backslash"),
        (["--config-file", RELATION, "--no-such-option"], "--no-such-option"),
        (["--config-file", RELATION, "MODEL.RELATION_ON", "False"], "detector_pretrain_net.py"),
        (["--config-file", RELATION, "MODEL.WEIGHT", "x.pth"], "data set VG_stanford_filtered_with_attribute_train: "),
        ([], "--config-file"),
    ],
)
@pytest.mark.parametrize("tool", ["relation_train_net", "relation_test_net"])
def test_a_wrong_command_line_is_one_line(tool, words, said, call):
    assert said in error_of(call(tool, *words))


def test_wrong_words_are_answered_without_the_heavy_imports(world):
    code = f"import sys, runpy; sys.argv = ['t', '--config-file', {str(RELATION)!r}, 'SOLVER.BASE_LRR', '1']\n"
    code += f"try: runpy.run_path({str(ROOT / 'tools/relation_train_net.py')!r}, run_name='__main__')\n"
    code += "except SystemExit: print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=world, env={"PYTHONPATH": str(ROOT)}
    )
    assert result.stdout.strip() == "False", result.stderr


def test_a_test_without_a_trained_run_names_the_run_and_no_backbone():
    command = ["bash", str(ROOT / "scripts/test.sh"), "penet", "predcls", "OUTPUT_DIR", "output/none_such"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable})
    assert done.returncode == 2 and "OUTPUT_DIR output/none_such holds no trained run" in done.stderr
    assert "catalog" not in done.stderr


@pytest.mark.parametrize("key", ["MODEL.PRETRAINED_DETECTOR_CKPT", "MODEL.WEIGHT"])
def test_a_start_file_that_is_not_there_is_named_at_once(key, call):
    assert f"{key} none.pth: no such file" in error_of(
        call("relation_train_net", "--config-file", "relation.yaml", key, "none.pth")
    )


def test_options_may_stand_among_the_overrides_and_launchers_words_are_ignored(call, world):
    words = [
        "--local-rank=3",
        "--config-file",
        "relation.yaml",
        "SOLVER.MAX_ITER",
        "1",
        "--skip-test",
        "SOLVER.TO_VAL",
        "False",
    ]
    status, said = call("relation_train_net", *words, "--local_rank", "3")
    assert status == 0, said
    assert (world / "out/model_final.pth").exists() and not (world / "out/inference").exists()


# -- bad files ---------------------------------------------------------------------------------------------------------


def missing_h5(folder):
    (folder / "VG-SGG-with-attri.h5").unlink()
    return "VG-SGG-with-attri.h5 is missing"


def truncated_jpeg(folder):
    path = folder / "VG_100K/2.jpg"
    path.write_bytes(path.read_bytes()[:300])
    return "VG_100K/2.jpg"


def missing_jpeg(folder):
    (folder / "VG_100K/3.jpg").unlink()
    return "VG_100K/3.jpg: no such file"


def other_class_counts(folder):
    path = folder / "VG-SGG-dicts-with-attri.json"
    names = json.loads(path.read_text())
    names["label_to_idx"]["sofa"], names["idx_to_label"]["5"] = 5, "sofa"
    path.write_text(json.dumps(names))
    return "VG-SGG-dicts-with-attri.json"


def image_data_of_another_length(folder):
    path = folder / "image_data.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:-1]))
    return "image_data.json"


def indices_outside(folder):
    with h5py.File(folder / "VG-SGG-with-attri.h5", "r+") as file:
        file["relationships"][0] = [999, 1]
    return "VG-SGG-with-attri.h5"


@pytest.mark.parametrize(
    "damage",
    [missing_h5, truncated_jpeg, missing_jpeg, other_class_counts, image_data_of_another_length, indices_outside],
)
@pytest.mark.parametrize("workers", ["0", "1"])
def test_bad_files_are_one_error_that_names_the_file_and_nothing_is_lost(damage, workers, call, world):
    kept = world / "out/model_0000003.pth"
    kept.parent.mkdir()
    kept.write_bytes(b"an earlier checkpoint")
    name = damage(world / TINY)
    said = error_of(call("relation_train_net", "--config-file", "relation.yaml", "DATALOADER.NUM_WORKERS", workers))
    assert name in said
    assert kept.read_bytes() == b"an earlier checkpoint"


@pytest.mark.parametrize("split", ["VAL", "TEST"])
def test_data_sets_with_other_names_are_refused_before_anything_is_computed(split, call, world):
    shutil.copytree(world / TINY, world / "other")
    path = world / "other/VG-SGG-dicts-with-attri.json"
    path.write_text(path.read_text().replace('"cat"', '"lion"'))
    words = ["--config-file", "relation.yaml", f"DATASETS.{split}", f"('tiny_{split.lower()}', 'other_test')"]
    assert "data set other_test has 5 objects, the model 5, and they differ at 1: 'lion' for 'cat'" in error_of(
        call("relation_train_net", *words)
    )
    assert not (world / "out").exists()


def test_missing_word_vectors_are_named(call, world):
    (world / "glove.6B.8d.txt").unlink()
    assert "glove.6B.8d" in error_of(call("relation_train_net", "--config-file", "relation.yaml"))


def test_a_checkpoint_of_other_shapes_is_one_error_that_names_it(call):
    words = ["--config-file", "relation.yaml", "SOLVER.MAX_ITER", "1", "SOLVER.TO_VAL", "False"]
    assert call("relation_train_net", *words, "--skip-test")[0] == 0
    wider = ["MODEL.ROI_RELATION_HEAD.PENET_MLP_DIM", "12"]
    said = error_of(call("relation_test_net", *words, *wider))
    assert "model_final.pth" in said and "another shape" in said
    said = error_of(call("relation_train_net", *words, *wider))
    assert "MODEL.ROI_RELATION_HEAD.PENET_MLP_DIM was 8, is 12" in said and "OUTPUT_DIR" in said
    said = error_of(
        call("relation_train_net", *words, *wider, "OUTPUT_DIR", "other", "MODEL.WEIGHT", "out/model_final.pth")
    )
    assert "out/model_final.pth" in said and "another shape" in said


def test_a_loss_that_is_not_finite_stops_with_images_named(call):
    said = error_of(
        call(
            "relation_train_net",
            "--config-file",
            "relation.yaml",
            "SOLVER.BASE_LR",
            "1e30",
            "SOLVER.GRAD_NORM_CLIP",
            "0",
        )
    )
    assert re.search(r"iteration \d: .*is not finite; image ids \d+, \d+", said)


def test_a_run_on_the_cpu_for_want_of_a_gpu_warns_once(call):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    words = ["--config-file", "relation.yaml", "MODEL.DEVICE", "cuda", "SOLVER.MAX_ITER", "1", "--skip-test"]
    status, said = call("relation_train_net", *words)
    assert status == 0 and said.count("going on on the CPU") <= 1


def test_train_then_test_gives_the_same_figures(call, world):
    words = ["--config-file", "relation.yaml", "SOLVER.MAX_ITER", "2", "SOLVER.TO_VAL", "False"]
    assert call("relation_train_net", *words)[0] == 0
    path = world / "out/inference/tiny_test/metrics.json"
    first, facts = json.loads(path.read_text()), json.loads(path.with_name("evaluation.json").read_text())
    path.unlink()
    assert call("relation_test_net", *words)[0] == 0
    assert json.loads(path.read_text()) == first
    again = json.loads(path.with_name("evaluation.json").read_text())
    assert facts.keys() == {"date", "weights", "seconds", "terms", "predictions"} and again["date"] >= facts["date"]
    assert {Path(each["weights"]).resolve() for each in (facts, again)} == {world / "out/model_final.pth"}
    assert first["mode"] == "predcls" and first["images"] == 3
    assert set(first["freq"]) >= {"R", "mR", "F"} and set(first["R"]) == {"20", "50", "100"}
    lines = [json.loads(line) for line in (world / "out/metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2]
    assert all(
        {"loss_rel", "l21_loss", "dist_loss2", "loss_dis", "lr", "seconds", "peak_memory_mib"} <= line.keys()
        for line in lines
    )


@pytest.mark.parametrize("labels", ["True", "False"])
def test_a_detector_and_then_sgcls_or_sgdet(labels, call, world):
    words = ["SOLVER.MAX_ITER", "2", "SOLVER.TO_VAL", "False"]
    assert call("detector_pretrain_net", "--config-file", "detector.yaml", *words)[0] == 0
    metrics = json.loads((world / "out/inference/tiny_test/metrics.json").read_text())
    assert {"AP", "AP50", "AP75", "AR"} <= metrics.keys()
    assert call("detector_test_net", "--config-file", "detector.yaml")[0] == 0
    words += [
        "MODEL.ROI_RELATION_HEAD.USE_GT_BOX",
        labels,
        "MODEL.ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL",
        "False",
        "OUTPUT_DIR",
        "rel",
    ]
    words += ["MODEL.PRETRAINED_DETECTOR_CKPT", "out/model_final.pth", "MODEL.FREEZE_DETECTOR", "True"]
    status, said = call("relation_train_net", "--config-file", "relation.yaml", *words)
    assert status == 0, said
    metrics = json.loads((world / "rel/inference/tiny_test/metrics.json").read_text())
    assert metrics["mode"] == ("sgcls" if labels == "True" else "sgdet")
    assert ("AP50" in metrics and "phrdet" in metrics) == (labels == "False")


# -- the published command ---------------------------------------------------------------------------------------------


def script_words(script: str, *words: str) -> list[str]:
    """The KEY VALUE words of the command that a script would run."""
    command = ["bash", str(ROOT / "scripts" / script), *words]
    printed = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "DRY_RUN": "1"}
    ).stdout
    found = shlex.split(printed)
    return found[found.index("--config-file") + 2 :]


def shrunk(world) -> list[str]:
    """Overrides that put a tiny backbone and the tiny data set in the place of X-101 and Visual Genome."""
    keys = {
        "MODEL.DEVICE": "cpu",
        "MODEL.BACKBONE.CONV_BODY": "R-18-FPN",
        "MODEL.RESNETS.NUM_GROUPS": 1,
        "MODEL.RESNETS.WIDTH_PER_GROUP": 64,
        "MODEL.RESNETS.RES2_OUT_CHANNELS": 32,
        "MODEL.RESNETS.STEM_OUT_CHANNELS": 8,
        "MODEL.RESNETS.BACKBONE_OUT_CHANNELS": 8,
        "MODEL.RPN.RPN_MID_CHANNEL": 8,
        "MODEL.ROI_BOX_HEAD.NUM_CLASSES": 5,
        "MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM": 16,
        "MODEL.ROI_RELATION_HEAD.NUM_CLASSES": 4,
        "MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM": 16,
        "MODEL.ROI_RELATION_HEAD.PENET_MLP_DIM": 8,
        "MODEL.ROI_RELATION_HEAD.PENET_EMBED_DIM": 8,
        "INPUT.MIN_SIZE_TRAIN": "(64,)",
        "INPUT.MAX_SIZE_TRAIN": 96,
        "INPUT.MIN_SIZE_TEST": 64,
        "INPUT.MAX_SIZE_TEST": 96,
        "DATASETS.TRAIN": "('tiny_train',)",
        "DATASETS.VAL": "('tiny_val',)",
        "DATASETS.TEST": "('tiny_test',)",
        "DATALOADER.NUM_WORKERS": 0,
        "GLOVE_DIR": str(world),
        "MODEL.PRETRAINED_DETECTOR_CKPT": str(world / "detector.pth"),
        "SOLVER.IMS_PER_BATCH": 2,
        "SOLVER.MAX_ITER": 2,
        "OUTPUT_DIR": str(world / "out"),
    }
    return [str(word) for pair in keys.items() for word in pair]


def test_the_published_llama_command_trains_from_a_published_detector(call, world):
    """Without its prototype files, on the CPU, two images a batch, in small."""
    cfg = load_config(ROOT / "configs/e2e_relation_detector_X_101_32_8_FPN_1x.yaml", shrunk(world))
    weights = {f"module.{name}": value for name, value in build_detection_model(cfg).state_dict().items()}
    torch.save({"model": weights, "optimizer": {}, "iteration": 180000}, world / "detector.pth")
    off = ["MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH", "", "MODEL.ROI_RELATION_HEAD.CON_PRO_TYPE", "NONE"]
    words = [*script_words("train.sh", "spln-llama", "predcls"), *shrunk(world), *off]
    status, said = call("relation_train_net", "--config-file", RELATION, *words)
    assert status == 0, said
    log = (world / "out/log.txt").read_text()
    assert (
        "copies of the detector's" in log
        and "learning rate 0.001 = SOLVER.BASE_LR 0.0005 x SOLVER.IMS_PER_BATCH 2" in log
    )
    assert json.loads((world / "out/inference/tiny_test/metrics.json").read_text())["mode"] == "predcls"
    on = [
        "MODEL.ROI_RELATION_HEAD.VIS_PRO_DIM",
        "16",
        "MODEL.ROI_RELATION_HEAD.VIS_VAE_INPUT_DIM",
        "16",
        "OUTPUT_DIR",
        str(world / "spln"),
    ]
    words = [*script_words("train.sh", "spln-llama", "predcls"), *shrunk(world), *on]
    assert "vg_vis_protos.pt" in error_of(call("relation_train_net", "--config-file", RELATION, *words))


def test_scripts_hold_the_published_words(shared):
    """
    Every KEY VALUE of the two published commands, in its full spelling, reaches the tool; the benchmark keeps their
    spelling.
    """
    text = (shared / "reference/seed-readme.md").read_text()
    block = re.search(r"## Train.*?```(.*?)```", text, re.S).group(1)
    for name, part in zip(("spln-llama", "spln-clip"), block.split("python3")[1:], strict=True):
        words = shlex.split(re.sub(r"\\[ \t]*\n", " ", part.split("# For")[0]))
        words = words[words.index("--config-file") + 2 :]
        benchmarked = published_words(name.removeprefix("spln-").upper())
        assert dict(zip(benchmarked[::2], benchmarked[1::2], strict=True)) == dict(
            zip(words[::2], words[1::2], strict=True)
        )
        published = load_config(RELATION, [*words, "OUTPUT_DIR", "x"])
        assert (
            load_config(RELATION, [*script_words("train.sh", name, "predcls"), "OUTPUT_DIR", "x"]).dump()
            == published.dump()
        )


@pytest.mark.parametrize("script", ["train.sh", "test.sh"])
@pytest.mark.parametrize(
    "model", ["spln-llama", "spln-clip", "penet", "motifs", "imp", "transformer", "vctree", "causal"]
)
def test_scripts_know_every_model_and_mode(script, model):
    for task in ("predcls", "sgcls", "sgdet"):
        cfg = load_config(
            RELATION,
            script_words(script, model, task, "SOLVER.MAX_ITER", "7", "MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH", ""),
        )
        assert str(Task.from_cfg(cfg)) == task and cfg.SOLVER.MAX_ITER == 7
        assert cfg.MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH == "" and cfg.OUTPUT_DIR == f"./output/{model}-{task}"


def test_scripts_name_what_they_do_not_know():
    for words, said in (
        (["motif", "predcls"], "unknown model 'motif'"),
        (["motifs", "predclass"], "unknown task 'predclass'"),
    ):
        result = subprocess.run(["bash", ROOT / "scripts/train.sh", *words], capture_output=True, text=True)
        assert result.returncode == 2 and said in result.stderr


def test_store_union_writes_the_prototypes_and_trains_nothing(call, world):
    head = "MODEL.ROI_RELATION_HEAD."
    words = [
        "--config-file",
        "relation.yaml",
        head + "STORE_UNION",
        "True",
        head + "VIS_PRO_DIM",
        "16",
        head + "VIS_VAE_INPUT_DIM",
        "16",
    ]
    assert "VIS_PRO_PATH" in error_of(call("relation_train_net", *words))
    status, said = call("relation_train_net", *words, head + "VIS_PRO_PATH", "protos.pt")
    assert status == 0, said
    stored = torch.load(world / "protos.pt", weights_only=True)
    status, said = call("extract_visual_prototypes", *words[:2], *words[4:], head + "VIS_PRO_PATH", "again.pt")
    assert status == 0, said
    assert torch.equal(torch.load(world / "again.pt", weights_only=True)["prototypes"], stored["prototypes"])
    assert stored["prototypes"].shape == (4, 16) and set(stored) == {"prototypes", "predicates", "counts", "source"}
    assert not (world / "out/last_checkpoint").exists()
