"""VGG-16's convolutions as a body of one map, stride 16."""

from torch import Tensor, nn

from maskrcnn_benchmark.modeling.backbone.backbone import BACKBONES, Backbone
from maskrcnn_benchmark.modeling.backbone.conv import conv2d

# Widths of the convolutions; 0 is a 2×2 max pooling. torchvision's vgg16 features without the last pooling.
LAYOUT = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)


class VGG16(nn.Module):
    """Thirteen 3×3 convolutions, each with its ReLU; numbered as in torchvision."""

    def __init__(self, out_channels: int = 512):
        """out_channels: width of the last stage's three convolutions, 512 in the published network."""
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for index, width in enumerate(LAYOUT):
            if width == 0:
                layers.append(nn.MaxPool2d(2, 2))
                continue
            width = out_channels if index >= len(LAYOUT) - 3 else width
            layers += [conv2d(channels, width, 3, bias=True), nn.ReLU(inplace=True)]
            channels = width
        self.conv_body = nn.Sequential(*layers)
        self.out_channels = (channels,)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, out_channels, H/16, W/16)]."""
        return [self.conv_body(x)]


@BACKBONES.register("VGG-16")
def build_vgg16(cfg) -> Backbone:
    """VGG-16, MODEL.VGG.VGG16_OUT_CHANNELS wide; nothing is frozen, as in the published detectors."""
    return Backbone(VGG16(cfg.MODEL.VGG.VGG16_OUT_CHANNELS))
