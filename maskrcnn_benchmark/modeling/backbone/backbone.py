"""A body and, above it, perhaps a feature pyramid: what the heads see of a backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

from maskrcnn_benchmark.modeling.backbone.conv import group_norm_from_config
from maskrcnn_benchmark.modeling.backbone.fpn import FPN
from maskrcnn_benchmark.modeling.backbone.frozen import FoldedBackbone, may_run_folded
from maskrcnn_benchmark.utils.registry import Registry

# (cfg) -> Backbone; names as in MODEL.BACKBONE.CONV_BODY
BACKBONES = Registry("MODEL.BACKBONE.CONV_BODY", "Any backbone of timm is 'timm/<name>-FPN'.")


class Backbone(nn.Module):
    """Body and FPN, named so in parameter names; `out_channels` is the width of every map."""

    def __init__(self, body: nn.Module, fpn: FPN | None = None):
        """
        Args:
            body: returns maps, finest first, and says their widths in `out_channels`.
            fpn: brings them to one width; without it the body must return a single map.
        """
        super().__init__()
        self.body = body
        if fpn is not None:
            self.fpn = fpn
        elif len(body.out_channels) != 1:
            raise ValueError(f"a body without FPN must return one map, not {len(body.out_channels)}")
        self.folds, self.folded = True, FoldedBackbone()
        self.out_channels = fpn.out_channels if fpn is not None else body.out_channels[0]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """
        (B, 3, H, W) network input -> the maps, finest first: P2 … P6 with an FPN of four levels, else the body's one.
        Where no gradient is asked for, they come from a folded copy of the backbone: equal up to rounding, faster.
        """
        if self.folds and may_run_folded(self, x):
            return self.folded.run(self, x)
        return self.maps(x)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """As forward, computed as it is written."""
        maps = self.body(x)
        return self.fpn(maps) if hasattr(self, "fpn") else tuple(maps)


def fpn_from_config(cfg, in_channels: Sequence[int]) -> FPN:
    """The FPN of MODEL.FPN, MODEL.RESNETS.BACKBONE_OUT_CHANNELS wide."""
    norm = group_norm_from_config(cfg) if cfg.MODEL.FPN.USE_GN else None
    return FPN(
        in_channels=in_channels,
        out_channels=cfg.MODEL.RESNETS.BACKBONE_OUT_CHANNELS,
        norm=norm,
        relu=cfg.MODEL.FPN.USE_RELU,
    )
