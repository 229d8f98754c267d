"""What the four published tools do once their command line is read."""

from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.paths_catalog import weights_path
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.engine.cli import require_something_to_test
from maskrcnn_benchmark.engine.custom import run_custom
from maskrcnn_benchmark.engine.inference import evaluate
from maskrcnn_benchmark.engine.run import Run, setup_run
from maskrcnn_benchmark.engine.start import load_tested
from maskrcnn_benchmark.engine.step import usable_dtype
from maskrcnn_benchmark.engine.store_union import store_visual_prototypes
from maskrcnn_benchmark.engine.trainer import FINAL, train
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

Results = dict[str, dict[str, Any]]


def run_training(cfg: Config, *, skip_test: bool) -> Results:
    """
    Trains, or goes on with, the relation model or detector of a config, and evaluates the final weights on
    DATASETS.TEST.

    ROI_RELATION_HEAD.STORE_UNION writes the visual prototypes instead.

    Returns:
        metrics.json's dict by data set; empty without a test.
    """
    storing = cfg.MODEL.RELATION_ON and cfg.MODEL.ROI_RELATION_HEAD.STORE_UNION
    with setup_run(cfg, training=not storing) as run:
        cfg = _usable(cfg, run)
        meta = load_dataset_meta(cfg)
        model = build_detection_model(cfg, meta).to(run.device)
        if storing:
            store_visual_prototypes(cfg, model, meta)
            return {}
        train(cfg, model, run, meta)
        return {} if skip_test else evaluate(cfg, model, run, "test", meta, weights=run.output_dir / FINAL)


def run_test(cfg: Config, *, weight_named: bool) -> Results:
    """
    Evaluates the relation model or detector of a config on the data sets of DATASETS.TO_TEST (TEST by default).

    Args:
        weight_named: MODEL.WEIGHT was given on the command line, and so goes before OUTPUT_DIR's last checkpoint.
    Returns:
        metrics.json's dict by data set; empty with TEST.CUSTUM_EVAL, which predicts a folder of images instead.
    """
    path = weights_to_test(cfg, weight_named=weight_named)
    if cfg.MODEL.RELATION_ON and cfg.TEST.CUSTUM_EVAL:
        run_custom(cfg, path)
        return {}
    with setup_run(cfg) as run:
        cfg = _usable(cfg, run)
        meta = load_dataset_meta(cfg)
        model = build_detection_model(cfg, meta).to(run.device)
        load_tested(cfg, model, path, meta)
        return evaluate(cfg, model, run, cfg.DATASETS.TO_TEST or "test", meta, weights=path)


def _usable(cfg: Config, run: Run) -> Config:
    """The config with the DTYPE that the device works in; OUTPUT_DIR/config.yml keeps the one that was asked for."""
    changed = cfg.clone()
    changed.defrost()
    changed.DTYPE = usable_dtype(run.device, cfg.DTYPE)
    changed.freeze()
    return changed


def weights_to_test(cfg: Config, *, weight_named: bool) -> Path:
    """
    The file that a test is about: MODEL.WEIGHT of the command line, else OUTPUT_DIR's last checkpoint, else the config
    file's MODEL.WEIGHT.

    Raises:
        UserError: there is none of them.
    """
    if not weight_named:
        last = Checkpointer(cfg.OUTPUT_DIR).last()
        if last is not None:
            return last
        require_something_to_test(cfg)
    return weights_path(cfg.MODEL.WEIGHT)
