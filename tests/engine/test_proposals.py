"""A detector's detections as a file, and SGDet on them."""

import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta, make_data_loader
from maskrcnn_benchmark.engine.commands import run_test, run_training
from maskrcnn_benchmark.engine.start import load_start
from maskrcnn_benchmark.modeling.detector import build_detection_model

HEAD = "MODEL.ROI_RELATION_HEAD."
SHORT = ["SOLVER.MAX_ITER", "2", "SOLVER.TO_VAL", "False"]
FILE = "out/inference/tiny_test/proposals.npz"


def test_saved_detections_stand_in_for_the_detector(world):
    detection = run_training(
        load_config(world / "detector.yaml", [*SHORT, "TEST.SAVE_PROPOSALS", "True"]), skip_test=False
    )["tiny_test"]
    sgdet = [
        HEAD + "USE_GT_BOX",
        "False",
        HEAD + "USE_GT_OBJECT_LABEL",
        "False",
        "MODEL.FREEZE_DETECTOR",
        "True",
        "OUTPUT_DIR",
        "rel",
    ]
    sgdet += ["MODEL.PRETRAINED_DETECTOR_CKPT", "out/model_final.pth"]
    cfg = load_config(world / "relation.yaml", [*sgdet, *SHORT])
    run_training(cfg, skip_test=True)

    cfg = load_config(world / "relation.yaml", [*sgdet, "DATASETS.PROPOSALS", FILE])
    models = [load_config(world / "detector.yaml", ["MODEL.WEIGHT", "out/model_final.pth"]), cfg]
    detector, model = (build_detection_model(each, load_dataset_meta(each)).eval() for each in models)
    load_start(models[0], detector)
    counts = []
    for batch in make_data_loader(cfg, "test", task=model.task):
        with torch.no_grad():
            expected = detector(batch.images)
        entities, _ = model.propose(batch.images, (), batch.targets)
        for found, direct in zip(entities, expected, strict=True):
            assert found.size == direct.size
            torch.testing.assert_close(found.bbox, direct.bbox, rtol=1e-4, atol=1e-3)
            assert found.get_field("pred_labels").tolist() == direct.get_field("pred_labels").tolist()
            least = 1.01 / 5  # below it a score would not be the best class's
            scores = direct.get_field("pred_scores").clamp(min=least)
            torch.testing.assert_close(found.get_field("pred_scores"), scores, rtol=1e-4, atol=1e-5)
            counts.append(len(found))
    assert len(counts) == 3 and min(counts) > 0

    metrics = run_test(cfg, weight_named=False)["tiny_test"]
    assert metrics["mode"] == "sgdet" and metrics["images"] == detection["images"] == 3
    assert set(metrics["freq"]["R"]) == {"20", "50", "100"}


def test_without_the_key_nothing_is_saved(world):
    run_training(load_config(world / "detector.yaml", SHORT), skip_test=False)
    assert (world / FILE).with_name("metrics.json").exists() and not (world / FILE).exists()
