"""
Boxes from any detector, in a file (DATASETS.PROPOSALS), in place of this project's own RPN and box head.

The file is a `.npz`, or a folder with one `.npy` an array (which is then read from disk row by row). For I images with N boxes together:

| array | shape | |
|---|---|---|
| image_ids | (I,) | as the data set numbers its images (`image_id`), each once |
| sizes | (I, 2) | width and height of the frame that the image's boxes are in |
| counts | (I,) | boxes of each image, 0 is legal |
| boxes | (N, 4) | x1, y1, x2, y2, image after image |
| logits | (N, O) | class logits, background first; or instead of them: |
| labels, scores | (N,), (N,) | best class, 1 … O − 1, and its probability (scores may be missing: 1) |
| features | (N, F) | optional: stand in for the relation head's own features of the entities |
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path

NAMES = ("image_ids", "sizes", "counts", "boxes", "logits", "labels", "scores", "features")
# A label without logits has at most this probability, so that its logit stays finite.
LARGEST_PROBABILITY = 0.9999


class ProposalFile:
    """Entities by image."""

    def __init__(self, arrays: Mapping[str, np.ndarray], *, num_classes: int, match_iou: float = 0.5, name: str = "proposals"):
        """
        Args:
            arrays: as the module's table says.
            num_classes: O, background counted.
            match_iou: in training a box has the label of the annotated box that it overlaps most, from this IoU on.
            name: of the file, for messages.
        Raises:
            UserError: an array is missing, has another shape, or holds what cannot be.
        """
        _check(arrays, num_classes, name)
        self.arrays, self.num_classes, self.match_iou, self.name = dict(arrays), num_classes, match_iou, name
        self.ends = np.cumsum(arrays["counts"])
        self.row = {int(image_id): row for row, image_id in enumerate(arrays["image_ids"])}

    @classmethod
    def open(cls, path: Path, *, num_classes: int, match_iou: float = 0.5) -> "ProposalFile":
        """Opens a `.npz` or a folder of `.npy` files. UserError if it cannot be read or does not hold what it must."""
        try:
            if path.is_dir():
                arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in NAMES if (path / f"{name}.npy").exists()}
            else:
                with np.load(path, allow_pickle=False) as archive:
                    arrays = {name: archive[name] for name in NAMES if name in archive}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"DATASETS.PROPOSALS {path}: cannot be read as .npz or as a folder of .npy files ({error})") from error
        return cls(arrays, num_classes=num_classes, match_iou=match_iou, name=f"DATASETS.PROPOSALS {path}")

    def entities(self, target: BoxList, *, training: bool = False) -> BoxList:
        """
        Args:
            target: its `image_id` and size say which image, and in which frame the boxes shall be; in training its boxes give labels.
        Returns:
            Boxes with `pred_labels`, `pred_scores`, `predict_logits` (n, O), `boxes_per_cls` (n, O, 4), `features` (n, F) if the file has
            them, and in training `labels`; on the target's device.
        Raises:
            UserError: the file does not know the image.
        """
        image_id = int(target.get_field("image_id"))
        if image_id not in self.row:
            raise UserError(
                f"{self.name}: no image {image_id} among its {len(self.row)}; an image without boxes is listed with a count of 0"
            )
        row = self.row[image_id]
        rows = slice(int(self.ends[row] - self.arrays["counts"][row]), int(self.ends[row]))
        width, height = (float(side) for side in self.arrays["sizes"][row])
        scale = np.asarray([target.size[0] / width, target.size[1] / height] * 2, np.float32)
        boxes = BoxList(torch.from_numpy(self._rows("boxes", rows) * scale), target.size).clip_to_image()
        logits = torch.from_numpy(self._rows("logits", rows)) if "logits" in self.arrays else self._label_logits(rows)
        best = logits.softmax(dim=1)[:, 1:].max(dim=1)
        boxes.add_field("pred_labels", best.indices + 1)
        boxes.add_field("pred_scores", best.values)
        boxes.add_field("predict_logits", logits)
        boxes.add_field("boxes_per_cls", boxes.bbox[:, None].repeat(1, self.num_classes, 1))
        if "features" in self.arrays:
            boxes.add_field("features", torch.from_numpy(self._rows("features", rows)))
        boxes = boxes.to(target.bbox.device)
        if training:
            boxes.add_field("labels", self._matched_labels(boxes, target))
        return boxes

    def _rows(self, name: str, rows: slice) -> np.ndarray:
        return np.array(self.arrays[name][rows], dtype=np.float32)

    def _label_logits(self, rows: slice) -> Tensor:
        """Logits whose softmax gives the label its score, and every other class an even share of the rest; the label stays the best."""
        labels = torch.from_numpy(np.array(self.arrays["labels"][rows], dtype=np.int64))
        scores = torch.from_numpy(self._rows("scores", rows)) if "scores" in self.arrays else torch.ones(len(labels))
        least = 1.01 / self.num_classes  # at an even share any class could be the best
        scores = scores.clamp(least, LARGEST_PROBABILITY)
        rest = ((1 - scores) / (self.num_classes - 1))[:, None].repeat(1, self.num_classes)
        return rest.scatter(1, labels[:, None], scores[:, None]).log()

    def _matched_labels(self, boxes: BoxList, target: BoxList) -> Tensor:
        if len(target) == 0:
            return torch.zeros(len(boxes), dtype=torch.int64, device=boxes.bbox.device)
        best = box_iou(boxes.bbox, target.convert("xyxy").bbox).max(dim=1)
        return torch.where(best.values >= self.match_iou, target.get_field("labels")[best.indices], 0)


class ProposalCollector:
    """Gathers detections of many images and writes them as such a file (TEST.SAVE_PROPOSALS)."""

    def __init__(self) -> None:
        self.images: list[tuple[int, BoxList]] = []

    def add(self, image_id: int, detections: BoxList) -> None:
        """An image's detections with `pred_labels` and `pred_scores`, in any frame: BoxList.size is written with them."""
        self.images.append((int(image_id), detections.copy_with_fields(("pred_labels", "pred_scores")).to("cpu")))

    def merge(self, other: "ProposalCollector") -> None:
        """Takes over another one's images."""
        self.images += other.images

    def arrays(self) -> dict[str, np.ndarray]:
        """The file's arrays."""
        boxes = [boxes for _, boxes in self.images]

        def joined(parts: list[Tensor], *shape: int) -> np.ndarray:
            return torch.cat(parts).numpy() if parts else np.zeros((0, *shape))

        return {
            "image_ids": np.asarray([image_id for image_id, _ in self.images], np.int64),
            "sizes": np.asarray([b.size for b in boxes], np.int64).reshape(-1, 2),
            "counts": np.asarray([len(b) for b in boxes], np.int64),
            "boxes": joined([b.bbox for b in boxes], 4),
            "labels": joined([b.get_field("pred_labels") for b in boxes]),
            "scores": joined([b.get_field("pred_scores") for b in boxes]),
        }

    def write(self, path: str | Path) -> None:
        """Writes the file, whole or not at all."""
        with atomic_path(path) as place, open(place, "wb") as file:
            np.savez_compressed(file, **self.arrays())


def _check(arrays: Mapping[str, np.ndarray], num_classes: int, name: str) -> None:
    missing = [key for key in ("image_ids", "sizes", "counts", "boxes") if key not in arrays]
    if not {"logits", "labels"} & set(arrays):
        missing.append("logits (or labels)")
    if missing:
        raise UserError(f"{name}: no array {', '.join(missing)}; it has {', '.join(arrays) or 'none'}")
    images, boxes = len(arrays["image_ids"]), len(arrays["boxes"])
    shapes = {"image_ids": (images,), "sizes": (images, 2), "counts": (images,), "boxes": (boxes, 4), "logits": (boxes, num_classes)}
    shapes.update({"labels": (boxes,), "scores": (boxes,)})
    for key, shape in shapes.items():
        if key in arrays and arrays[key].shape != shape:
            raise UserError(
                f"{name}: {key} is {arrays[key].shape}, expected {shape} for {images} images, {boxes} boxes, {num_classes} classes"
            )
    if "features" in arrays and (arrays["features"].ndim != 2 or len(arrays["features"]) != boxes):
        raise UserError(f"{name}: features is {arrays['features'].shape}, expected ({boxes}, F)")
    if images and (arrays["counts"].min() < 0 or arrays["counts"].sum() != boxes):
        raise UserError(f"{name}: counts add up to {arrays['counts'].sum()}, but there are {boxes} boxes")
    if len(np.unique(arrays["image_ids"])) != images:
        raise UserError(f"{name}: image_ids names an image twice")
    if images and arrays["sizes"].min() <= 0:
        raise UserError(f"{name}: sizes must be above 0")
    if "logits" not in arrays and boxes and not (1 <= arrays["labels"].min() and arrays["labels"].max() < num_classes):
        raise UserError(f"{name}: labels must lie in 1 … {num_classes - 1}, found {arrays['labels'].min()} … {arrays['labels'].max()}")
