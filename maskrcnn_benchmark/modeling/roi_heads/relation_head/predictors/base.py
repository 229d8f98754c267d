"""What a relation predictor is to the rest of the package, and the registry of those that a config may name."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput
from maskrcnn_benchmark.utils.registry import Registry

# MODEL.ROI_RELATION_HEAD.PREDICTOR -> a RelationPredictor
ROI_RELATION_PREDICTOR = Registry(
    "relation predictor", "A new one needs a file in relation_head/predictors/ with @register('<name>')."
)


class RelationPredictor(nn.Module, ABC):
    """
    Predicts the relations of a batch of pairs. Everything that the package reads of a predictor is declared here; a new
    one overrides what differs.

    Attributes:
        term_names: names of the terms that a relation logit is made of, as in RelationOutput.terms; none by default.
        extractor_slowdown: how many times slower than the rest the relation head's two box feature extractors learn.
        logged: scalars of the last forward that are reported but not minimised, detached, by name.
    """

    term_names: tuple[str, ...] = ()
    extractor_slowdown: float = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.logged: dict[str, Tensor] = {}

    @classmethod
    @abstractmethod
    def from_config(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> "RelationPredictor":
        """
        Args:
            cfg: the whole configuration; this is the only reader of the predictor's keys.
            meta: names and statistics of the training data.
            in_channels: F, width of entity and union features.
        Raises:
            UserError: keys that contradict each other.
        """

    @classmethod
    def reads_spatial_features(cls, cfg: Config) -> bool:  # noqa: ARG003
        """Whether pairs come with `spatial_features`; their union features are then without the masks."""
        return False

    @abstractmethod
    def forward(self, pairs: PairBatch) -> RelationOutput:
        """
        Args:
            pairs: of all images of the batch; also of none, and of images with one entity or none.
        Returns:
            Entity logits (N, O), relation logits (P, K), and in training the predictor's own losses.
        """
