"""Any backbone of timm that gives maps of several strides, under an FPN: CONV_BODY "timm/<name>-FPN"."""

import importlib.util

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from maskrcnn_benchmark.modeling.backbone.backbone import Backbone, fpn_from_config
from maskrcnn_benchmark.utils.errors import UserError

PREFIX, SUFFIX = "timm/", "-FPN"
STRIDES = (4, 8, 16, 32)


class TimmBackbone(nn.Module):
    """
    The feature maps of strides 4, 8, 16 and 32 of a timm network. Its batch norms are frozen: they keep their
    statistics, scale and shift in training, too, since the statistics of one or two images are too noisy.
    """

    def __init__(self, *, name: str, frozen: int = 0):
        """
        Args:
            name: timm's name of the network.
            frozen: what computes the map of stride 2^frozen and all before it gets no gradient (2 freezes as much as in
                a ResNet: all up to stride 4); 0 freezes nothing but the norms.
        Raises:
            UserError: timm is not installed, has no such network, or the network has no map of one of the strides.
        """
        super().__init__()
        backbone, info = _create(name)
        self.returned = [info.reduction().index(stride) for stride in STRIDES]
        self.out_channels = tuple(info.channels()[i] for i in self.returned)
        self.net = backbone.to(memory_format=torch.channels_last)  # depthwise convolutions: twice as fast on a CPU
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.requires_grad_(False)
        _freeze_up_to(backbone, info, 2**frozen)

    def train(self, mode: bool = True) -> "TimmBackbone":
        """Training mode for everything but the batch norms."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one (B, C_s, H/s, W/s) per stride s, finest first."""
        maps = self.net(x.contiguous(memory_format=torch.channels_last))
        return [maps[i] for i in self.returned]


def _create(name: str):
    if importlib.util.find_spec("timm") is None:
        raise UserError(f"MODEL.BACKBONE.CONV_BODY {PREFIX}{name}{SUFFIX} needs timm: pip install timm")
    import timm

    try:
        backbone = timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError, ValueError) as error:
        raise UserError(
            f"MODEL.BACKBONE.CONV_BODY: timm makes no feature maps of a network '{name}' ({error})"
        ) from error
    info = backbone.feature_info
    missing = sorted(set(STRIDES) - set(info.reduction()))
    if missing:
        raise UserError(
            f"MODEL.BACKBONE.CONV_BODY: {name} of timm has maps of strides {info.reduction()}; an FPN needs"
            f" {missing} too"
        )
    return backbone, info


def _freeze_up_to(backbone: nn.Module, info, stride: int) -> None:
    """No gradient for the map of this stride and all registered before it (timm registers in order of work)."""
    reductions = info.reduction()
    depth = max((i for i, reduction in enumerate(reductions) if 1 < reduction <= stride), default=None)
    if depth is None:
        return
    last = info.module_name()[depth]
    spellings = (last, last.replace(".", "_"))
    names = [name for name, _ in backbone.named_modules()]
    ends = [i for i, name in enumerate(names) if any(name == part or name.startswith(part + ".") for part in spellings)]
    if not ends:
        raise UserError(
            f"MODEL.BACKBONE.FREEZE_CONV_BODY_AT: this backbone of timm has no module '{last}' to freeze up to; set the"
            " key to 0"
        )
    for _, module in list(backbone.named_modules())[: max(ends) + 1]:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)


def build_timm_backbone(cfg, name: str) -> Backbone:
    """The backbone that "timm/<name>-FPN" names, frozen as MODEL.BACKBONE.FREEZE_CONV_BODY_AT says."""
    if not name.endswith(SUFFIX):
        raise UserError(f"MODEL.BACKBONE.CONV_BODY '{name}': a backbone of timm is written {PREFIX}<name>{SUFFIX}")
    body = TimmBackbone(name=name[len(PREFIX) : -len(SUFFIX)], frozen=cfg.MODEL.BACKBONE.FREEZE_CONV_BODY_AT)
    return Backbone(body, fpn_from_config(cfg, body.out_channels))
