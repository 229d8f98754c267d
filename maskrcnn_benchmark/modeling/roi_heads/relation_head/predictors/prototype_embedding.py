"""The published name of two models: SPLN where the config names prototype files, PE-Net where it does not."""

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import (
    ROI_RELATION_PREDICTOR,
    RelationPredictor,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.penet import PENet
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.sources import names_prototypes


@ROI_RELATION_PREDICTOR.register("PrototypeEmbeddingNetwork")
class PrototypeEmbeddingNetwork(RelationPredictor):
    """Makes the model that a config means by PrototypeEmbeddingNetwork; is none itself."""

    @classmethod
    def from_config(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> PENet:
        """As PENet.from_config and SPLN.from_config have it."""
        model = SPLN if names_prototypes(cfg) else PENet
        return model.from_config(cfg, meta, in_channels)
