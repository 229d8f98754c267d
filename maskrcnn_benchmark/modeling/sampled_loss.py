"""What the losses of RPN and box head share: boxes are matched with the ground truth, and some of them drawn."""

from dataclasses import dataclass

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.modeling.balanced_sampler import BalancedSampler
from maskrcnn_benchmark.modeling.box_coder import BoxCoder


@dataclass(frozen=True, kw_only=True)
class SampledLoss:
    """
    Attributes:
        coder: encodes the ground truth from the box that is matched with it.
        sampler: draws boxes per image.
        high, low: IoU from which a box is positive, and below which it is negative; between, it is not used.
    """

    coder: BoxCoder
    sampler: BalancedSampler
    high: float
    low: float

    @classmethod
    def from_node(cls, node: Config, coder: BoxCoder, seed: int, stream: str) -> "SampledLoss":
        """Reads MODEL.RPN or MODEL.ROI_HEADS; stream: who draws."""
        sampler = BalancedSampler(node.BATCH_SIZE_PER_IMAGE, node.POSITIVE_FRACTION, seed=seed, stream=stream)
        return cls(coder=coder, sampler=sampler, high=node.FG_IOU_THRESHOLD, low=node.BG_IOU_THRESHOLD)
