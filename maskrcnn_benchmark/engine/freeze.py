"""What is trained and what stays as it was loaded."""

from torch import nn

from maskrcnn_benchmark.config import Config

RELATION = "roi_heads.relation"
EXTRACTORS = ("box_feature_extractor", "att_feature_extractor", "union_feature_extractor")


def freeze(cfg: Config, model: nn.Module) -> None:
    """
    Takes the gradient from what this training leaves alone.

    The model comes with its detector frozen already (MODEL.FREEZE_DETECTOR, BACKBONE.FREEZE_CONV_BODY_AT);
    ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS takes the relation head's extractors away. Frozen modules stay in
    training mode: in SGDet the RPN's counts of training hold.
    """
    if cfg.MODEL.RELATION_ON and cfg.MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS:
        for name, module in model.named_modules():
            if name in {f"{RELATION}.{extractor}" for extractor in EXTRACTORS}:
                module.requires_grad_(False)
