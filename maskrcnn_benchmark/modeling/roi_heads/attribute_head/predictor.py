"""From a box's features to its attributes."""

from torch import Tensor, nn

from maskrcnn_benchmark.utils.registry import Registry

# (in_channels, num_attributes) -> nn.Module; forward as AttributePredictor has it
ROI_ATTRIBUTE_PREDICTOR = Registry("attribute predictor")


@ROI_ATTRIBUTE_PREDICTOR.register("FPNPredictor")
@ROI_ATTRIBUTE_PREDICTOR.register("FastRCNNPredictor")
class AttributePredictor(nn.Module):
    """A linear layer, started normal (0.01), bias 0. Either published name means this one."""

    def __init__(self, in_channels: int, num_attributes: int):
        """num_attributes: A, the number of columns; column 0 is no attribute."""
        super().__init__()
        self.att_score = nn.Linear(in_channels, num_attributes)
        nn.init.normal_(self.att_score.weight, std=0.01)
        nn.init.zeros_(self.att_score.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, F) -> logits (n, A), float32 under autocast, too."""
        logits = self.att_score(x)
        return logits.float() if logits.dtype.itemsize < 4 else logits
