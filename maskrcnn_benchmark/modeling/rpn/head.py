"""The network on each cell of each level: is there an object, and where."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.utils.registry import Registry

# (in_channels, mid_channels, num_anchors) -> nn.Module; forward as SingleConvRPNHead has it
RPN_HEADS = Registry("MODEL.RPN.RPN_HEAD")


@RPN_HEADS.register("SingleConvRPNHead")
class SingleConvRPNHead(nn.Module):
    """A 3×3 convolution with ReLU, then 1×1 ones to objectness and box offsets. All start normal (0.01), biases 0."""

    def __init__(self, in_channels: int, mid_channels: int, num_anchors: int):
        """num_anchors: A, per cell."""
        super().__init__()
        self.conv = nn.Conv2d(in_channels, mid_channels, 3, padding=1)
        self.cls_logits = nn.Conv2d(mid_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(mid_channels, 4 * num_anchors, 1)
        for layer in (self.conv, self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """
        (B, in_channels, H_l, W_l) per level -> objectness logits (B, H_l · W_l · A) and offsets (B, H_l · W_l · A, 4)
        per level, float32, in the anchors' order.
        """
        logits, offsets = [], []
        for feature in features:
            hidden = F.relu(self.conv(feature))
            logits.append(self.cls_logits(hidden).permute(0, 2, 3, 1).flatten(1).float())
            offset = self.bbox_pred(hidden).permute(0, 2, 3, 1)
            offsets.append(offset.reshape(len(feature), -1, 4).float())
        return logits, offsets
