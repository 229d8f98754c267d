"""
ROI_RELATION_HEAD.STORE_UNION: one pass over the training split that writes the visual prototypes, and trains nothing.
"""

from torch import nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.build import make_data_loader, training_name
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.engine.feature_cache import with_feature_cache
from maskrcnn_benchmark.engine.start import load_start
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.extract import (
    TRAINED_SIGN,
    extract_visual_prototypes,
)
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)


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
