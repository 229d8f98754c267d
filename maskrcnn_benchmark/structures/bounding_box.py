"""The boxes of one image with what is known about them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

# Fields that belong to the image, not to one box each: they travel unchanged when boxes are chosen.
IMAGE_FIELDS = frozenset(
    {"relation_tuple", "image_id", "epoch", "rel_pair_idxs", "pred_rel_scores", "pred_rel_labels", "pred_rel_terms"}
)
MODES = ("xyxy", "xywh")


class BoxList:
    """
    Boxes of one image, its size, and named fields.

    Corners are inclusive pixel coordinates: a box is x2 - x1 + 1 wide ("+1 convention", as published weights and
    metrics have it), and in mode "xywh" the last two numbers are that width and height. No box at all is legal
    everywhere.

    Args:
        boxes: (n, 4), anything torch.as_tensor takes; kept as float32.
        size: (width, height) of the image in pixels, without padding.
        mode: "xyxy" or "xywh".
    Raises:
        ValueError: another shape, size or mode; the message holds what was found.
    """

    def __init__(self, boxes: Tensor | Sequence, size: tuple[int, int], mode: str = "xyxy"):
        boxes = torch.as_tensor(boxes, dtype=torch.float32)
        if boxes.dim() < 2 and boxes.numel() == 0:
            boxes = boxes.reshape(0, 4)
        if boxes.dim() != 2 or boxes.size(1) != 4:
            raise ValueError(f"BoxList: boxes must be (n, 4), got {tuple(boxes.shape)}")
        if len(size) != 2 or min(size) <= 0:
            raise ValueError(f"BoxList: size must be (width, height), both above 0, got {tuple(size)}")
        if mode not in MODES:
            raise ValueError(f"BoxList: mode must be one of {MODES}, got {mode!r}")
        self.bbox = boxes
        self.size = (int(size[0]), int(size[1]))
        self.mode = mode
        self._fields: dict[str, Any] = {}

    def __len__(self) -> int:
        return self.bbox.size(0)

    def __repr__(self) -> str:
        width, height = self.size
        return f"BoxList({len(self)} boxes, {width}x{height}, {self.mode}, fields: {', '.join(self._fields) or 'none'})"

    # -- fields -------------------------------------------------------------------------------------------------------

    def add_field(self, name: str, value: Any) -> None:
        """Sets a field. Unless it is one of IMAGE_FIELDS, `value` must be a tensor, one row per box (ValueError)."""
        if name not in IMAGE_FIELDS:
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"BoxList: field '{name}' must be a tensor with a row per box, got {type(value).__name__}"
                )
            if value.dim() == 0 or value.size(0) != len(self):
                raise ValueError(
                    f"BoxList: field '{name}' has shape {tuple(value.shape)}, but there are {len(self)} boxes"
                )
        self._fields[name] = value

    def get_field(self, name: str) -> Any:
        """The field of that name; KeyError names those that exist."""
        if name not in self._fields:
            raise KeyError(f"BoxList has no field '{name}'; it has: {', '.join(self._fields) or 'none'}")
        return self._fields[name]

    def has_field(self, name: str) -> bool:
        """Whether a field of that name was set."""
        return name in self._fields

    def fields(self) -> list[str]:
        """Names of all fields."""
        return list(self._fields)

    def copy_with_fields(self, names: Iterable[str] = ()) -> "BoxList":
        """The same boxes (shared memory) with the named fields alone."""
        copy = self._with_boxes(self.bbox)
        copy._fields = {name: self.get_field(name) for name in names}
        return copy

    def _with_boxes(self, boxes: Tensor, size: tuple[int, int] | None = None, mode: str | None = None) -> "BoxList":
        """As many other boxes, with the fields as they are."""
        other = BoxList(boxes, size or self.size, mode or self.mode)
        other._fields = dict(self._fields)
        return other

    # -- choosing and moving ------------------------------------------------------------------------------------------

    def __getitem__(self, index: Tensor | slice | list[int]) -> "BoxList":
        """
        Some of the boxes, with their rows of every per-box field.

        Args:
            index: (k,) int64 rows, (n,) bool mask, slice or list. A single integer is refused (IndexError): a result is
                always a list.
        """
        if isinstance(index, int) or (isinstance(index, Tensor) and index.dim() == 0):
            raise IndexError(f"BoxList: choose rows with a slice, list, tensor or mask, got the single index {index}")
        chosen = self._with_boxes(self.bbox[index])
        chosen._fields = {name: value if name in IMAGE_FIELDS else value[index] for name, value in self._fields.items()}
        return chosen

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "BoxList":
        """The same on another device: boxes and every tensor among the fields."""
        return self.mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "BoxList":
        """The same in page-locked memory, from which copies to a GPU run beside other work."""
        return self.mapped(Tensor.pin_memory)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "BoxList":
        """The same with each tensor put through a function: the boxes, then the tensors among the fields in order."""
        other = self._with_boxes(change(self.bbox))
        other._fields = {name: change(v) if isinstance(v, Tensor) else v for name, v in self._fields.items()}
        return other

    # -- geometry -----------------------------------------------------------------------------------------------------

    def convert(self, mode: str) -> "BoxList":
        """The same boxes in another mode."""
        if mode not in MODES:
            raise ValueError(f"BoxList: mode must be one of {MODES}, got {mode!r}")
        if mode == self.mode:
            return self
        first, second = self.bbox[:, :2], self.bbox[:, 2:]
        other = second - first + 1 if mode == "xywh" else first + second - 1
        return self._with_boxes(torch.cat([first, other], dim=1), mode=mode)

    def resize(self, size: tuple[int, int]) -> "BoxList":
        """Boxes of the image scaled to `size` (width, height), each axis by its own ratio."""
        x = size[0] / self.size[0]
        y = size[1] / self.size[1]
        return self._with_boxes(self.bbox * self.bbox.new_tensor([x, y, x, y]), size=size)

    def hflip(self) -> "BoxList":
        """Boxes of the image mirrored left to right: x1 = W - 1 - old x2, x2 = W - 1 - old x1."""
        return self._mirrored(0)

    def vflip(self) -> "BoxList":
        """Boxes of the image mirrored top to bottom: y1 = H - 1 - old y2, y2 = H - 1 - old y1."""
        return self._mirrored(1)

    def _mirrored(self, axis: int) -> "BoxList":
        corners = self.convert("xyxy").bbox.clone()
        corners[:, axis::2] = self.size[axis] - 1 - corners[:, axis::2].flip(1)
        return self._with_boxes(corners, mode="xyxy").convert(self.mode)

    def clip_to_image(self) -> "BoxList":
        """Boxes cut to 0 ... W - 1 and 0 ... H - 1."""
        clipped = clip_boxes(self.convert("xyxy").bbox, self.size)
        return self._with_boxes(clipped, mode="xyxy").convert(self.mode)


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., 4) xyxy cut to 0 … W − 1 and 0 … H − 1 of an image of size (width, height)."""
    x, y = boxes[..., 0::2].clamp(0, size[0] - 1), boxes[..., 1::2].clamp(0, size[1] - 1)
    return torch.stack([x, y], dim=-1).flatten(-2)
