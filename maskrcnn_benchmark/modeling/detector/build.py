"""A model as a config describes it."""

from pathlib import Path

from torch import nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.data.datasets.catalog import names_file
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.proposals import ProposalFile
from maskrcnn_benchmark.modeling.backbone import build_backbone
from maskrcnn_benchmark.modeling.detector.generalized_rcnn import GeneralizedRCNN
from maskrcnn_benchmark.modeling.detector.input import InputNormalizer
from maskrcnn_benchmark.modeling.roi_heads import ROIHeads
from maskrcnn_benchmark.modeling.rpn import RPN
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)


def build_detection_model(cfg, meta: DatasetMeta | None = None) -> nn.Module:
    """
    The model, at its initial weights, on the CPU; what relation training leaves alone gets no gradient.

    Args:
        cfg: the whole configuration.
        meta: facts of the training data; None takes them from the training data set that cfg names. A detector needs
            none.
    Returns:
        A GeneralizedRCNN: `model(images, targets)`.
    Raises:
        UserError: numbers of classes in cfg and meta differ, or cfg names what does not exist.
    """
    model = cfg.MODEL
    if model.META_ARCHITECTURE != "GeneralizedRCNN":
        raise UserError(f"MODEL.META_ARCHITECTURE is '{model.META_ARCHITECTURE}'; there is GeneralizedRCNN alone")
    if model.RELATION_ON and model.RPN_ONLY:
        raise UserError("MODEL.RPN_ONLY builds no heads, MODEL.RELATION_ON needs them: set one of them to False")
    if meta is None and model.RELATION_ON:
        meta = load_dataset_meta(cfg)
    _check_class_counts(cfg, meta)
    task = Task.from_cfg(cfg) if model.RELATION_ON else None
    backbone = build_backbone(cfg)
    heads = None if model.RPN_ONLY else ROIHeads.from_config(cfg, meta, backbone.out_channels)
    built = GeneralizedRCNN(
        normalizer=InputNormalizer.from_config(cfg),
        backbone=backbone,
        rpn=RPN.from_config(cfg, backbone.out_channels),
        roi_heads=heads,
        task=task,
        proposals=_proposal_file(cfg, task),
    )
    if model.RELATION_ON:
        _freeze(cfg, built)
    if model.COMPILE:
        _compile(built)
    return built


def _check_class_counts(cfg, meta: DatasetMeta | None) -> None:
    """UserError where cfg and the data set differ in classes, predicates or, with ATTRIBUTE_ON, attributes."""
    if meta is None:
        return
    counts = [("ROI_BOX_HEAD", "NUM_CLASSES", meta.num_classes, "object classes")]
    if cfg.MODEL.RELATION_ON:
        counts.append(("ROI_RELATION_HEAD", "NUM_CLASSES", meta.num_predicates, "predicates"))
    if cfg.MODEL.ATTRIBUTE_ON:
        counts.append(("ROI_ATTRIBUTE_HEAD", "NUM_ATTRIBUTES", meta.num_attributes, "attributes"))
    for head, key, known, what in counts:
        configured = cfg.MODEL[head][key]
        if configured != known:
            train = tuple(cfg.DATASETS.TRAIN)
            files = [str(file) for file in map(names_file, train) if file is not None]
            raise UserError(
                f"MODEL.{head}.{key} is {configured}, but {' and '.join(files) or 'the data set'} has {known} {what},"
                f" background counted: set the key to {known}, or name the data set that the config is for"
                f" (DATASETS.TRAIN is {train})"
            )


def _proposal_file(cfg, task: Task | None) -> ProposalFile | None:
    path = cfg.DATASETS.PROPOSALS
    if not path:
        return None
    if task is not Task.SGDET:
        warn_once(
            logger,
            f"DATASETS.PROPOSALS {path} is not read: only SGDet takes boxes from a file, this is"
            f" {task or 'a detector'}",
        )
        return None
    return ProposalFile.open(
        Path(path), num_classes=cfg.MODEL.ROI_BOX_HEAD.NUM_CLASSES, match_iou=cfg.MODEL.ROI_HEADS.FG_IOU_THRESHOLD
    )


def _compile(model: GeneralizedRCNN) -> None:
    """torch.compile of backbone and relation predictor, for images and numbers of pairs of any size; names stay."""
    model.backbone.folds = False  # the compiler fuses on its own
    model.backbone.compile(dynamic=True)
    if model.task is not None:
        model.roi_heads.relation.predictor.compile(dynamic=True)


def _freeze(cfg, model: GeneralizedRCNN) -> None:
    """
    Takes the gradient from what relation training leaves alone: RPN and detector heads, the backbone with
    MODEL.FREEZE_DETECTOR, the relation head's extractors with ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS. (Its first
    stages and norms a backbone freezes as it is built.) Frozen modules stay in training mode, in which the RPN proposes
    as many boxes as training asks for; only the extractors' norms keep their statistics.
    """
    heads = model.roi_heads
    parts = [model.rpn, heads.box]
    if cfg.MODEL.ATTRIBUTE_ON:
        parts.append(heads.attribute)
    if cfg.MODEL.FREEZE_DETECTOR:
        parts.append(model.backbone)
    if cfg.MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS:
        heads.relation.keeps_statistics = True
        parts += heads.relation.extractors
    for part in parts:
        part.requires_grad_(False)
