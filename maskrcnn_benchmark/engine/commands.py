"""What the four published tools do once their command line is read."""

from pathlib import Path
from typing import Any

from torch import nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.config.paths_catalog import weights_path
from maskrcnn_benchmark.data.build import load_dataset_meta, make_data_loader, training_name
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.engine.cli import require_something_to_test
from maskrcnn_benchmark.engine.custom import run_custom
from maskrcnn_benchmark.engine.feature_cache import with_feature_cache
from maskrcnn_benchmark.engine.inference import evaluate
from maskrcnn_benchmark.engine.run import Run, setup_run
from maskrcnn_benchmark.engine.start import load_start, load_tested
from maskrcnn_benchmark.engine.step import usable_dtype
from maskrcnn_benchmark.engine.trainer import FINAL, train
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.extract import (
    TRAINED_SIGN,
    extract_visual_prototypes,
)
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.errors import UserError
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


def store_visual_prototypes(cfg: Config, model: nn.Module, meta: DatasetMeta) -> None:
    """
    Writes ROI_RELATION_HEAD.VIS_PRO_PATH from the training images, with ground-truth boxes and without mirroring.

    Args:
        model: as built from cfg, on its device.
    Raises:
        UserError: no VIS_PRO_PATH, a task without ground-truth boxes, or no weights to make features with.
    """
    head, task = cfg.MODEL.ROI_RELATION_HEAD, Task.from_cfg(cfg)
    if not head.VIS_PRO_PATH:
        raise UserError(
            "MODEL.ROI_RELATION_HEAD.STORE_UNION writes VIS_PRO_PATH, which is empty: name the file to write"
        )
    if not task.uses_gt_boxes:
        raise UserError(
            "MODEL.ROI_RELATION_HEAD.STORE_UNION needs the annotated boxes: set MODEL.ROI_RELATION_HEAD.USE_GT_BOX True"
        )
    loaded = load_start(cfg, model)
    if TRAINED_SIGN not in loaded:
        logger.warning(
            "no file gave weights to the union extractor's masks and channel reduction, so the prototypes are means of"
            " partly random features, as where published code stores unions at a detector's weights: better name a"
            " trained relation model as MODEL.WEIGHT (such as that of the same config without prototype files)"
        )
    loader = make_data_loader(cfg, "test", task=task, name=training_name(cfg))
    loader = with_feature_cache(cfg, model, loader, training_name(cfg))
    extract_visual_prototypes(
        model,
        ((batch.images, batch.targets) for batch in loader),
        meta.predicates,
        path=head.VIS_PRO_PATH,
        source=(cfg.MODEL.WEIGHT or cfg.MODEL.PRETRAINED_DETECTOR_CKPT).rpartition("/")[2],
        seed=cfg.SEED,
        total=len(loader),
    )


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
