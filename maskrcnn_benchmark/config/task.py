"""What is given and what is to be found: the three tasks of scene graph generation."""

from __future__ import annotations

from enum import Enum

from yacs.config import CfgNode

from maskrcnn_benchmark.utils.errors import UserError


class Task(Enum):
    """PREDCLS: boxes and labels are given, predicates are sought. SGCLS: boxes are given. SGDET: nothing is given."""

    PREDCLS = "predcls"
    SGCLS = "sgcls"
    SGDET = "sgdet"

    @classmethod
    def from_cfg(cls, cfg: CfgNode) -> Task:
        """The task of a config. UserError for labels without boxes, which is none of the three."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        if head.USE_GT_OBJECT_LABEL and not head.USE_GT_BOX:
            raise UserError(
                "MODEL.ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL is True but USE_GT_BOX is False: labels belong to given"
                " boxes. Set both (PredCls), USE_GT_BOX alone (SGCls) or neither (SGDet)."
            )
        if not head.USE_GT_BOX:
            return cls.SGDET
        return cls.PREDCLS if head.USE_GT_OBJECT_LABEL else cls.SGCLS

    @property
    def uses_gt_boxes(self) -> bool:
        """Whether the annotated boxes are given to the model, at test too."""
        return self is not Task.SGDET

    @property
    def uses_gt_labels(self) -> bool:
        """Whether the annotated object labels are given to the model, at test too."""
        return self is Task.PREDCLS

    def __str__(self) -> str:
        return self.value
