"""A module with given names and shapes in its state dict, to load weights into."""

from collections.abc import Iterable, Mapping

import torch
from torch import nn


class NamedModule(nn.Module):
    """Parameters (zeros) under dotted names; those that end in running_mean and the like are buffers."""

    def __init__(self, shapes: Mapping[str, Iterable[int]]):
        super().__init__()
        for name, shape in shapes.items():
            *path, last = name.split(".")
            owner = self
            for part in path:
                if part not in owner._modules:
                    owner.add_module(part, nn.Module())
                owner = owner._modules[part]
            value = torch.zeros(tuple(shape))
            if last.startswith(("running_", "num_batches", "cell_anchors")) or last.isdigit():
                owner.register_buffer(last, value)
            else:
                owner.register_parameter(last, nn.Parameter(value))
