"""
A frozen backbone made fast: norms folded into the convolution before them, activations and sums fused into it, weights
packed for the library.

What comes out is equal up to rounding. It is derived from the live module and holds values of its own: see `frozen.py`
for when it is made.
"""

import copy
import operator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from maskrcnn_benchmark.layers import FrozenBatchNorm2d
from maskrcnn_benchmark.modeling.backbone.conv import DeformableConv

# Activations that the library computes with the convolution: its name and numbers for each.
FUSED_ACTIVATIONS = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0]), nn.SiLU: ("swish", [])}


class _Tracer(fx.Tracer):
    """Convolutions and norms stay whole; what lies between them is followed."""

    traced_func_name = "maps"

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, (nn.Conv2d, FrozenBatchNorm2d, _BatchNorm, DeformableConv)) or super().is_leaf_module(
            module, name
        )


@dataclass
class _Fusion:
    """A convolution's node and those after it that it is computed with, in order; what the last one gives is wanted."""

    nodes: list[fx.Node]
    norm: nn.Module | None = None
    added: fx.Node | None = None
    activation: nn.Module | None = None


class FoldedConv(nn.Module):
    """A convolution with bias, perhaps a sum and an activation behind it, in one call where the library has one."""

    def __init__(
        self, conv: nn.Conv2d, weight: Tensor, bias: Tensor | None, activation: nn.Module | None, dtype: torch.dtype
    ):
        """conv: its geometry is taken, not its values. weight, bias: with the norm folded in. dtype: to work in."""
        super().__init__()
        self.conv = copy.copy(conv)  # shares nothing that is written below
        self.conv._parameters = {
            "weight": nn.Parameter(weight.to(dtype), requires_grad=False),
            "bias": nn.Parameter(bias.to(dtype), requires_grad=False) if bias is not None else None,
        }
        self.activation = activation
        self.geometry = (
            [list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups] if _is_plain(conv) else None
        )
        self.fused = FUSED_ACTIVATIONS.get(type(activation), (None, [])) if activation is not None else ("none", [])
        self.in_library = self.geometry is not None and self.fused[0] is not None and _library_takes(weight, dtype)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, C, H, W), and perhaps the tensor that is added before the activation."""
        if not self.in_library:
            x = self.conv(x)
            x = x if added is None else x.add_(added)
            return x if self.activation is None else self.activation(x)
        (name, numbers), weight, bias = self.fused, self.conv.weight, self.conv.bias
        if added is None:
            return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *self.geometry, name, numbers, "")
        unary = None if name == "none" else name
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, added, weight, bias, *self.geometry, "add", 1.0, unary, numbers, ""
        )


def _is_plain(conv: nn.Conv2d) -> bool:
    return type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _library_takes(weight: Tensor, dtype: torch.dtype) -> bool:
    if (
        weight.device.type != "cpu"
        or not torch.backends.mkldnn.is_available()
        or not hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    ):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def fold_backbone(backbone: nn.Module, dtype: torch.dtype) -> nn.Module:
    """
    A module that computes what the backbone computes in evaluation.

    Args:
        backbone: a Backbone that torch.fx can trace.
        dtype: to work in; input is brought to it.
    Returns:
        A module with folded copies of the convolutions; parts without a convolution before them are the backbone's own.
    Raises:
        torch.fx.proxy.TraceError: the backbone decides its way by the values it computes.
        ValueError: a part that stays as it is has weights of another dtype, which its input would not fit.
    """
    graph = _Tracer().trace(backbone)
    folded = fx.GraphModule(backbone, graph)
    modules = dict(folded.named_modules())
    with torch.no_grad():
        for number, node in enumerate([node for node in graph.nodes if _module(node, modules, nn.Conv2d)]):
            _replace(folded, _find_fusion(node, modules), modules, f"folded_{number}", dtype)
    folded.graph.lint()
    folded.delete_all_unused_submodules()
    _check_rest(folded, dtype)
    folded.recompile()
    return folded.requires_grad_(False)


def _check_rest(folded: nn.Module, dtype: torch.dtype) -> None:
    """ValueError for weights that were not brought to this dtype; those of batch norms may be of any."""
    of_norms = {id(p) for module in folded.modules() if isinstance(module, _BatchNorm) for p in module.parameters()}
    for name, parameter in folded.named_parameters():
        if parameter.dtype != dtype and id(parameter) not in of_norms:
            raise ValueError(f"{name} stays {parameter.dtype}, the rest works in {dtype}")


def _module(node: fx.Node, modules: dict[str, nn.Module], kind: type | tuple[type, ...]) -> nn.Module | None:
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    return module if isinstance(module, kind) else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _find_fusion(conv: fx.Node, modules: dict[str, nn.Module]) -> _Fusion:
    """What of norm, sum and activation follows a convolution and nothing else uses in between."""
    found = _Fusion([conv])
    user = _only_user(conv)
    norm = _module(user, modules, (FrozenBatchNorm2d, _BatchNorm)) if user is not None else None
    if norm is not None and isinstance(getattr(norm, "drop", None), (nn.Identity, type(None))):
        found.norm = norm
        found.nodes.append(user)
        own = getattr(norm, "act", None)  # timm's norms bring their activation along
        if own is not None and not isinstance(own, nn.Identity):
            found.activation = own
            return found
        user = _only_user(user)
    if user is not None and user.target in (operator.add, operator.iadd, torch.add) and not user.kwargs:
        last = found.nodes[-1]
        other = user.args[1] if user.args[0] is last else user.args[0]
        if isinstance(other, fx.Node) and other is not last and other.op != "get_attr":
            found.added = other
            found.nodes.append(user)
            user = _only_user(user)
    if user is not None and (user.target in (F.relu, torch.relu) or _module(user, modules, nn.ReLU)):
        found.activation = nn.ReLU(inplace=True)
        found.nodes.append(user)
    elif user is not None and _module(user, modules, (nn.ReLU6, nn.SiLU)):
        found.activation = _module(user, modules, nn.Module)
        found.nodes.append(user)
    return found


def _replace(
    folded: fx.GraphModule, found: _Fusion, modules: dict[str, nn.Module], name: str, dtype: torch.dtype
) -> None:
    first, last = found.nodes[0], found.nodes[-1]
    conv = modules[first.target]
    weight, bias = conv.weight.detach().float(), conv.bias.detach().float() if conv.bias is not None else None
    if found.norm is not None:
        scale, shift = _scale_and_shift(found.norm)
        weight = weight * scale[:, None, None, None]
        bias = shift if bias is None else bias * scale + shift
    folded.add_submodule(name, FoldedConv(conv, weight, bias, found.activation, dtype))
    with folded.graph.inserting_before(last):
        node = folded.graph.call_module(name, (first.args[0], *([found.added] if found.added is not None else [])))
    last.replace_all_uses_with(node)
    for dead in reversed(found.nodes):
        folded.graph.erase_node(dead)


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """A norm in evaluation as y = x · scale + shift, float32."""
    if isinstance(norm, FrozenBatchNorm2d):
        return tuple(part.float() for part in norm.scale_and_shift())
    scale = torch.rsqrt(norm.running_var.float() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach().float()
    shift = -norm.running_mean.float() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach().float()
