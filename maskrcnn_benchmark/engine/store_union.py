"""ROI_RELATION_HEAD.STORE_UNION: one pass over the training split that writes the visual prototypes, and trains nothing."""

from torch import nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.build import make_data_loader, training_name
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.engine.feature_cache import with_feature_cache
from maskrcnn_benchmark.engine.start import load_start
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.extract import extract_visual_prototypes, stored_features
from maskrcnn_benchmark.utils.checkpoint import require_filled
from maskrcnn_benchmark.utils.errors import UserError


def store_visual_prototypes(cfg: Config, model: nn.Module, meta: DatasetMeta) -> None:
    """
    Writes ROI_RELATION_HEAD.VIS_PRO_PATH from the training images, with annotated boxes and without mirroring.

    Args:
        model: as built from cfg, on its device; good for nothing else afterwards.
    Raises:
        UserError: no VIS_PRO_PATH, a task without given boxes, or no weights to make features with.
    """
    head, task = cfg.MODEL.ROI_RELATION_HEAD, Task.from_cfg(cfg)
    if not head.VIS_PRO_PATH:
        raise UserError("MODEL.ROI_RELATION_HEAD.STORE_UNION writes VIS_PRO_PATH, which is empty: name the file to write")
    if not task.uses_gt_boxes:
        raise UserError("MODEL.ROI_RELATION_HEAD.STORE_UNION needs the annotated boxes: set MODEL.ROI_RELATION_HEAD.USE_GT_BOX True")
    loaded = load_start(cfg, model)
    require_filled(model)
    features = stored_features(head.VIS_PRO_FEATURES, loaded)
    loader = make_data_loader(cfg, "test", task=task, name=training_name(cfg))
    loader = with_feature_cache(cfg, model, loader, training_name(cfg), detector_features=features == "detector")
    extract_visual_prototypes(
        model,
        ((batch.images, batch.targets) for batch in loader),
        meta.predicates,
        features=features,
        path=head.VIS_PRO_PATH,
        source=_weights(cfg, features).rpartition("/")[2],
        total=len(loader),
    )


def _weights(cfg: Config, features: str) -> str:
    """The file whose features these are: MODEL.WEIGHT for relation features, for a detector's the detector where one is named."""
    detector, weight = cfg.MODEL.PRETRAINED_DETECTOR_CKPT, cfg.MODEL.WEIGHT
    return weight if features == "relation" or not detector else detector
