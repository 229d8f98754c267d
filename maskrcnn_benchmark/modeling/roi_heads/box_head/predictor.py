"""From a box's features to its class and, for each class, its regression."""

from torch import Tensor, nn

from maskrcnn_benchmark.utils.registry import Registry

# (in_channels, num_classes, num_regressions) -> nn.Module; forward as BoxPredictor has it
ROI_BOX_PREDICTOR = Registry("box predictor")


@ROI_BOX_PREDICTOR.register("FPNPredictor")
@ROI_BOX_PREDICTOR.register("FastRCNNPredictor")
class BoxPredictor(nn.Module):
    """Two linear layers, for scores (start normal, 0.01) and offsets (0.001). Either published name means this one."""

    def __init__(self, in_channels: int, num_classes: int, num_regressions: int):
        """num_regressions: R, sets of four offsets per box: O, or 2 (background, anything) for all classes alike."""
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, 4 * num_regressions)
        for layer, std in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, F) -> class logits (n, O) and offsets (n, R, 4), float32 under autocast, too."""
        logits, offsets = self.cls_score(x), self.bbox_pred(x)
        if logits.dtype.itemsize < 4:
            logits, offsets = logits.float(), offsets.float()
        return logits, offsets.unflatten(1, (-1, 4))
