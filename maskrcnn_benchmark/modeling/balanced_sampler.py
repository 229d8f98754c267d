"""A bounded number of positives and negatives per image, drawn at random."""

from collections.abc import Sequence

import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.device import to_host
from maskrcnn_benchmark.utils.seeding import torch_generator


def image_generator(target: BoxList, seed: int, *stream: int) -> torch.Generator | None:
    """The generator of (seed, epoch, image, stream); None, torch's own, for a target without `image_id`."""
    if not target.has_field("image_id"):
        return None
    epoch = target.get_field("epoch") if target.has_field("epoch") else 0
    return torch_generator(seed, int(epoch), int(target.get_field("image_id")), *stream)


class BalancedSampler:
    """Draws up to `size` candidates per image, at most a share of them positive."""

    def __init__(self, size: int, positive_fraction: float, *, seed: int = 0, stream: str = ""):
        """
        Args:
            size: candidates drawn per image.
            positive_fraction: largest share of positives; negatives fill the rest.
            stream: who draws, so that two samplers of one image draw apart.
        """
        self.size, self.positive_fraction, self.seed = size, positive_fraction, seed
        self.stream = int.from_bytes(stream.encode()[:7], "little")

    def generator(self, target: BoxList) -> torch.Generator | None:
        """As image_generator, for this sampler."""
        return image_generator(target, self.seed, self.stream)

    def __call__(self, labels: Sequence[Tensor], targets: Sequence[BoxList]) -> list[tuple[Tensor, Tensor]]:
        """
        Args:
            labels: (n,) per image, above 0 positive, 0 negative, below 0 neither. The device is waited for once.
            targets: of the images, for their generators.
        Returns:
            Per image int64 rows of the positives and of the negatives drawn, each in ascending order.
        """
        (signs,) = to_host([torch.cat([own.sign().to(torch.int8) for own in labels])])
        device = labels[0].device
        drawn = []
        for own, target in zip(signs.split([len(own) for own in labels]), targets, strict=True):
            generator = self.generator(target)
            positives = _draw(own > 0, int(self.size * self.positive_fraction), generator)
            negatives = _draw(own == 0, self.size - len(positives), generator)
            drawn.append((positives.to(device, non_blocking=True), negatives.to(device, non_blocking=True)))
        return drawn


def _draw(candidates: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    rows = candidates.nonzero().squeeze(1)
    if len(rows) <= count:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:count].sort().values]
