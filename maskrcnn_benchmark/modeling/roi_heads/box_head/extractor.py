"""From a backbone's maps and boxes to one feature vector per box."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.modeling.backbone.conv import Norm, conv2d, group_norm_from_config, linear
from maskrcnn_benchmark.modeling.backbone.resnet import DEPTHS, StageSettings
from maskrcnn_benchmark.modeling.poolers import Pooler
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.registry import Registry

# cls.from_config(cfg, in_channels, half_out, all_levels) -> BoxFeatureExtractor
ROI_BOX_FEATURE_EXTRACTORS = Registry("box feature extractor")


class BoxFeatureExtractor(nn.Module, ABC):
    """Pooler, then `embed`; subclasses say what embed is and how wide its output is (`out_channels`)."""

    pooler: Pooler
    out_channels: int

    @abstractmethod
    def embed(self, pooled: Tensor) -> Tensor:
        """(n, C, r, r) pooled features -> (n, F)."""

    def forward(self, features: Sequence[Tensor], boxlists: Sequence[BoxList]) -> Tensor:
        """(B, C, H_l, W_l) per level; B lists of boxes, xyxy, in pixels of the input -> (number of all boxes, F)."""
        return self.embed(self.pooler(features, [boxes.bbox for boxes in boxlists]))


def pooler_from_config(cfg, in_channels: int, all_levels: bool) -> Pooler:
    """The pooler of MODEL.ROI_BOX_HEAD."""
    node, reduced = cfg.MODEL.ROI_BOX_HEAD, in_channels if all_levels else None
    return Pooler(node.POOLER_RESOLUTION, node.POOLER_SCALES, node.POOLER_SAMPLING_RATIO, reduced=reduced)


def _norm_from_config(cfg) -> Norm | None:
    return group_norm_from_config(cfg) if cfg.MODEL.ROI_BOX_HEAD.USE_GN else None


@ROI_BOX_FEATURE_EXTRACTORS.register("FPN2MLPFeatureExtractor")
class FPN2MLPFeatureExtractor(BoxFeatureExtractor):
    """Two fully connected layers, each with its ReLU. Serves any backbone whose maps are pooled small, VGG-16 too."""

    def __init__(self, *, pooler: Pooler, in_channels: int, hidden: int, out_channels: int, norm: Norm | None = None):
        """hidden, out_channels: widths of fc6 and fc7. norm: makes the norm after each layer."""
        super().__init__()
        self.pooler, self.out_channels = pooler, out_channels
        self.fc6 = linear(in_channels * pooler.resolution**2, hidden, norm)
        self.fc7 = linear(hidden, out_channels, norm)

    @classmethod
    def from_config(cls, cfg, in_channels: int, half_out: bool, all_levels: bool = False) -> BoxFeatureExtractor:
        """Reads MODEL.ROI_BOX_HEAD; half_out halves fc7."""
        hidden = cfg.MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM
        return cls(
            pooler=pooler_from_config(cfg, in_channels, all_levels),
            in_channels=in_channels,
            hidden=hidden,
            out_channels=hidden // 2 if half_out else hidden,
            norm=_norm_from_config(cfg),
        )

    def embed(self, pooled: Tensor) -> Tensor:
        """(n, in_channels, r, r) -> (n, out_channels)."""
        return F.relu(self.fc7(F.relu(self.fc6(pooled.flatten(1)))))


@ROI_BOX_FEATURE_EXTRACTORS.register("FPNXconv1fcFeatureExtractor")
class FPNXconv1fcFeatureExtractor(BoxFeatureExtractor):
    """A stack of 3×3 convolutions and one fully connected layer, each with its ReLU."""

    def __init__(
        self,
        *,
        pooler: Pooler,
        in_channels: int,
        num_convs: int,
        conv_channels: int,
        out_channels: int,
        dilation: int = 1,
        norm: Norm | None = None,
    ):
        super().__init__()
        self.pooler, self.out_channels = pooler, out_channels
        layers: list[nn.Module] = []
        for _ in range(num_convs):
            layers.append(conv2d(in_channels, conv_channels, 3, dilation=dilation, bias=norm is None))
            nn.init.normal_(layers[-1].weight, std=0.01)
            layers += [norm(conv_channels)] if norm is not None else []
            layers.append(nn.ReLU(inplace=True))
            in_channels = conv_channels
        self.xconvs = nn.Sequential(*layers)
        self.fc6 = linear(in_channels * pooler.resolution**2, out_channels)

    @classmethod
    def from_config(cls, cfg, in_channels: int, half_out: bool, all_levels: bool = False) -> BoxFeatureExtractor:
        """Reads MODEL.ROI_BOX_HEAD; half_out halves fc6."""
        node = cfg.MODEL.ROI_BOX_HEAD
        return cls(
            pooler=pooler_from_config(cfg, in_channels, all_levels),
            in_channels=in_channels,
            num_convs=node.NUM_STACKED_CONVS,
            conv_channels=node.CONV_HEAD_DIM,
            out_channels=node.MLP_HEAD_DIM // 2 if half_out else node.MLP_HEAD_DIM,
            dilation=node.DILATION,
            norm=_norm_from_config(cfg),
        )

    def embed(self, pooled: Tensor) -> Tensor:
        """(n, in_channels, r, r) -> (n, out_channels)."""
        return F.relu(self.fc6(self.xconvs(pooled).flatten(1)))


@ROI_BOX_FEATURE_EXTRACTORS.register("ResNet50Conv5ROIFeatureExtractor")
class ResNet50Conv5ROIFeatureExtractor(BoxFeatureExtractor):
    """layer4 of a ResNet on each box, averaged over its cells: the head of a C4 backbone."""

    def __init__(self, *, pooler: Pooler, layer4: nn.Module, out_channels: int, halve: bool = False):
        """
        out_channels: width of layer4's output. halve: a fully connected layer (`narrow`) with ReLU halves it, for
        ATTRIBUTE_ON.
        """
        super().__init__()
        self.pooler, self.head = pooler, nn.ModuleDict({"layer4": layer4})
        self.out_channels = out_channels // 2 if halve else out_channels
        if halve:
            self.narrow = linear(out_channels, self.out_channels)

    @classmethod
    def from_config(cls, cfg, in_channels: int, half_out: bool, all_levels: bool = False) -> BoxFeatureExtractor:
        """Reads MODEL.RESNETS and the pooler of MODEL.ROI_BOX_HEAD."""
        depth = cfg.MODEL.BACKBONE.CONV_BODY.rpartition("-")[0]
        blocks, bottleneck = DEPTHS.get(depth, DEPTHS["R-50"])
        settings = StageSettings.from_config(cfg, bottleneck)
        layer4 = settings.make(4, blocks[3], in_channels, dilation=cfg.MODEL.RESNETS.RES5_DILATION)
        pooler = pooler_from_config(cfg, in_channels, all_levels)
        return cls(pooler=pooler, layer4=layer4, out_channels=settings.out_channels(4), halve=half_out)

    def embed(self, pooled: Tensor) -> Tensor:
        """(n, C, r, r) -> (n, out_channels)."""
        mean = self.head["layer4"](pooled).mean(dim=(2, 3))
        return F.relu(self.narrow(mean)) if hasattr(self, "narrow") else mean


def build_box_feature_extractor(
    cfg, in_channels: int, *, half_out: bool = False, all_levels: bool = False
) -> BoxFeatureExtractor:
    """
    The extractor that MODEL.ROI_BOX_HEAD.FEATURE_EXTRACTOR names; box, attribute and relation heads each have their
    own.

    Args:
        in_channels: width of the backbone's maps.
        half_out: half the output width (ATTRIBUTE_ON: box and attribute features together have the whole).
        all_levels: pools from all levels (union boxes).
    """
    entry = ROI_BOX_FEATURE_EXTRACTORS[cfg.MODEL.ROI_BOX_HEAD.FEATURE_EXTRACTOR]
    return entry.from_config(cfg, in_channels, half_out=half_out, all_levels=all_levels)
