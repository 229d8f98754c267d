"""ResNet and ResNeXt bodies with the parameter names of published detectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.layers import FrozenBatchNorm2d
from maskrcnn_benchmark.modeling.backbone.backbone import BACKBONES, Backbone, fpn_from_config
from maskrcnn_benchmark.modeling.backbone.conv import DeformableConv, Norm, conv2d, group_norm_from_config
from maskrcnn_benchmark.utils.errors import UserError


class Stem(nn.Module):
    """7×7 convolution of stride 2, norm, ReLU, 3×3 max pooling of stride 2."""

    def __init__(self, out_channels: int, norm: Norm):
        super().__init__()
        self.conv1 = conv2d(3, out_channels, 7, stride=2)
        self.bn1 = norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, out_channels, H/4, W/4)."""
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), kernel_size=3, stride=2, padding=1)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolution beside a shortcut; the 3×3 may be grouped (ResNeXt), dilated or deformable."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        norm: Norm,
        stride: int = 1,
        groups: int = 1,
        stride_in_1x1: bool = True,
        dilation: int = 1,
        deformable_groups: int = 0,
        modulated: bool = False,
    ):
        super().__init__()
        stride = 1 if dilation > 1 else stride
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        if in_channels != out_channels:
            self.downsample = nn.Sequential(conv2d(in_channels, out_channels, 1, stride=stride), norm(out_channels))
        self.conv1 = conv2d(in_channels, width, 1, stride=first)
        self.bn1 = norm(width)
        middle = {"stride": second, "dilation": dilation, "groups": groups}
        if deformable_groups:
            middle |= {"deformable_groups": deformable_groups, "modulated": modulated}
        self.conv2 = DeformableConv(width, width, **middle) if deformable_groups else conv2d(width, width, 3, **middle)
        self.bn2 = norm(width)
        self.conv3 = conv2d(width, out_channels, 1)
        self.bn3 = norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H/stride, W/stride)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (ResNet-18 and 34)."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: Norm, stride: int = 1):
        super().__init__()
        if in_channels != out_channels or stride != 1:
            self.downsample = nn.Sequential(conv2d(in_channels, out_channels, 1, stride=stride), norm(out_channels))
        self.conv1 = conv2d(in_channels, out_channels, 3, stride=stride)
        self.bn1 = norm(out_channels)
        self.conv2 = conv2d(out_channels, out_channels, 3)
        self.bn2 = norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H/stride, W/stride)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


# Blocks in layer1 … layer4, and whether they are bottlenecks.
DEPTHS = {
    "R-18": ((2, 2, 2, 2), False),
    "R-34": ((3, 4, 6, 3), False),
    "R-50": ((3, 4, 6, 3), True),
    "R-101": ((3, 4, 23, 3), True),
    "R-152": ((3, 8, 36, 3), True),
}


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """
    What the four stages of a ResNet share.

    Attributes:
        norm: makes the norm after a convolution.
        bottleneck: blocks of three convolutions; otherwise of two.
        groups, width_per_group: their product is the width of layer1's 3×3 convolutions; it doubles each stage.
            Bottlenecks only.
        res2_out_channels: width that layer1 returns (a quarter of it with basic blocks, as ResNet-18 has); it doubles
            each stage.
        stride_in_1x1: whether a stage's stride sits on the 1×1 convolution (MSRA's weights) or the 3×3 (torchvision's,
            ResNeXt).
        deformable, deformable_groups, modulated: which stages have deformable 3×3 convolutions, and of which kind.
    """

    norm: Norm
    bottleneck: bool = True
    groups: int = 1
    width_per_group: int = 64
    res2_out_channels: int = 256
    stride_in_1x1: bool = True
    deformable: Sequence[bool] = (False,) * 4
    deformable_groups: int = 1
    modulated: bool = False

    def __post_init__(self) -> None:
        if (self.groups > 1 or any(self.deformable)) and not self.bottleneck:
            raise UserError(
                "MODEL.RESNETS: NUM_GROUPS and STAGE_WITH_DCN need R-50 or deeper; the blocks of R-18 and R-34 have no"
                " such convolution"
            )

    @classmethod
    def from_config(cls, cfg, bottleneck: bool) -> "StageSettings":
        """Reads MODEL.RESNETS; TRANS_FUNC names the norm."""
        node = cfg.MODEL.RESNETS
        return cls(
            norm=norm_from_name(cfg, node.TRANS_FUNC, "Bottleneck", "MODEL.RESNETS.TRANS_FUNC"),
            bottleneck=bottleneck,
            groups=node.NUM_GROUPS,
            width_per_group=node.WIDTH_PER_GROUP,
            res2_out_channels=node.RES2_OUT_CHANNELS,
            stride_in_1x1=node.STRIDE_IN_1X1,
            deformable=node.STAGE_WITH_DCN,
            deformable_groups=node.DEFORMABLE_GROUPS,
            modulated=node.WITH_MODULATED_DCN,
        )

    def out_channels(self, stage: int) -> int:
        """Width of layer<stage>'s output, stage from 1 to 4."""
        first = self.res2_out_channels if self.bottleneck else self.res2_out_channels // 4
        return first * 2 ** (stage - 1)

    def make(self, stage: int, blocks: int, in_channels: int, dilation: int = 1) -> nn.Sequential:
        """layer<stage>: its first block changes the width and, from layer2 on, halves the size."""
        layers = []
        for index in range(blocks):
            stride = 2 if stage > 1 and index == 0 else 1
            layers.append(self._block(stage, in_channels, stride, dilation))
            in_channels = self.out_channels(stage)
        return nn.Sequential(*layers)

    def _block(self, stage: int, in_channels: int, stride: int, dilation: int) -> nn.Module:
        out_channels = self.out_channels(stage)
        if not self.bottleneck:
            return BasicBlock(in_channels, out_channels, norm=self.norm, stride=stride)
        return Bottleneck(
            in_channels,
            self.groups * self.width_per_group * 2 ** (stage - 1),
            out_channels,
            norm=self.norm,
            stride=stride,
            groups=self.groups,
            dilation=dilation,
            stride_in_1x1=self.stride_in_1x1,
            deformable_groups=self.deformable_groups if self.deformable[stage - 1] else 0,
            modulated=self.modulated,
        )


class ResNet(nn.Module):
    """A stem and up to four stages; returns the maps of the stages asked for."""

    def __init__(
        self,
        *,
        settings: StageSettings,
        blocks: Sequence[int],
        stem_norm: Norm,
        stem_channels: int = 64,
        returned: Sequence[int] = (1, 2, 3, 4),
        frozen: int = 0,
    ):
        """
        Args:
            blocks: their number per stage.
            returned: stages whose maps are returned, from 1; later stages are not built.
            frozen: number of parts, the stem being the first, that get no gradient.
        """
        super().__init__()
        self.returned = tuple(returned)
        self.stem = Stem(stem_channels, stem_norm)
        channels = stem_channels
        for stage in range(1, max(returned) + 1):
            self.add_module(f"layer{stage}", settings.make(stage, blocks[stage - 1], channels))
            channels = settings.out_channels(stage)
        self.out_channels = tuple(settings.out_channels(stage) for stage in returned)
        for part in list(self.children())[: max(frozen, 0)]:
            part.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one (B, C_s, H/2^(s+1), W/2^(s+1)) per returned stage s, finest first."""
        x = self.stem(x)
        maps = []
        for stage in range(1, max(self.returned) + 1):
            x = getattr(self, f"layer{stage}")(x)
            if stage in self.returned:
                maps.append(x)
        return maps


def norm_from_name(cfg, name: str, part: str, key: str) -> Norm:
    """The norm in names such as BottleneckWithFixedBatchNorm and StemWithGN. UserError for another name."""
    if name == f"{part}WithFixedBatchNorm":
        return FrozenBatchNorm2d
    if name == f"{part}WithGN":
        return group_norm_from_config(cfg)
    raise UserError(f"{key} is '{name}'; known are {part}WithFixedBatchNorm and {part}WithGN")


def build_resnet(cfg, depth: str, returned: Sequence[int], with_fpn: bool) -> Backbone:
    """A ResNet of the named depth as the config describes it, alone or under an FPN."""
    node = cfg.MODEL.RESNETS
    blocks, bottleneck = DEPTHS[depth]
    body = ResNet(
        settings=StageSettings.from_config(cfg, bottleneck),
        blocks=blocks,
        returned=returned,
        frozen=cfg.MODEL.BACKBONE.FREEZE_CONV_BODY_AT,
        stem_norm=norm_from_name(cfg, node.STEM_FUNC, "Stem", "MODEL.RESNETS.STEM_FUNC"),
        stem_channels=node.STEM_OUT_CHANNELS,
    )
    return Backbone(body, fpn_from_config(cfg, body.out_channels) if with_fpn else None)


for _depth in DEPTHS:
    BACKBONES.register(f"{_depth}-C4")(partial(build_resnet, depth=_depth, returned=(3,), with_fpn=False))
    BACKBONES.register(f"{_depth}-C5")(partial(build_resnet, depth=_depth, returned=(4,), with_fpn=False))
    BACKBONES.register(f"{_depth}-FPN")(partial(build_resnet, depth=_depth, returned=(1, 2, 3, 4), with_fpn=True))
