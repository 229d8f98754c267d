"""
Boxes from any detector, in a file (DATASETS.PROPOSALS), in place of this project's own RPN and box head.

The file is a `.npz`, or a folder with one `.npy` an array (which is then read from disk row by row). For I images with
N boxes together:

| array | shape | |
|---|---|---|
| image_ids | (I,) | the data set's own ids of its images (`image_id`), numbers or text, each once |
| sizes | (I, 2) | width and height of the frame that the image's boxes are in |
| counts | (I,) | boxes of each image, 0 is legal |
| boxes | (N, 4) | x1, y1, x2, y2, image after image |
| logits | (N, O) | class logits, background first; or instead of them: |
| labels, scores | (N,), (N,) | best class, 1 … O − 1, and its probability (scores may be missing: 1) |
| features | (N, F) | optional: stand in for the relation head's own features of the entities |
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.data.annotations import in_parts
from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.arrays import ArrayFile, check_array, map_npy, refuse_unknown
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)

NAMES = ("image_ids", "sizes", "counts", "boxes", "logits", "labels", "scores", "features")
# A label without logits has at most this probability, so that its logit stays finite.
LARGEST_PROBABILITY = 0.9999


class ProposalFile:
    """Entities by image."""

    def __init__(
        self, arrays: Mapping[str, np.ndarray], *, num_classes: int, match_iou: float = 0.5, name: str = "proposals"
    ):
        """
        Args:
            arrays: as the module's table says.
            num_classes: O, background counted.
            match_iou: in training a box has the label of the ground truth box that it overlaps most, from this IoU on.
            name: of the file, for messages.
        Raises:
            UserError: an array is missing, has another shape, or holds what cannot be.
        """
        self.arrays, self.row = _checked(arrays, num_classes, name)
        self.num_classes, self.match_iou, self.name = num_classes, match_iou, name
        self.ends = np.cumsum(self.arrays["counts"])

    @classmethod
    def open(cls, path: Path, *, num_classes: int, match_iou: float = 0.5) -> "ProposalFile":
        """Opens a `.npz` or a folder of `.npy` files. UserError if it cannot be read or does not hold what it must."""
        what = f"DATASETS.PROPOSALS {path}"
        if path.is_dir():
            files = {file.stem: file for file in sorted(path.glob("*.npy"))}
            refuse_unknown(files, NAMES, f"{what}: array")
            arrays = {name: map_npy(file, what) for name, file in files.items()}
        else:
            with ArrayFile(path, what) as archive:
                refuse_unknown(archive.names, NAMES, f"{what}: array")
                arrays = {name: archive.read(name) for name in archive.names}
        return cls(arrays, num_classes=num_classes, match_iou=match_iou, name=what)

    def entities(self, target: BoxList, *, training: bool = False) -> BoxList:
        """
        Args:
            target: its `image_id` and size say which image, and in which frame the boxes shall be; in training its
                boxes give labels.
        Returns:
            Boxes with `pred_labels`, `pred_scores`, `predict_logits` (n, O), `boxes_per_cls` (n, O, 4), `features` (n,
            F) if the file has them, and in training `labels`; on the target's device.
        Raises:
            UserError: the file does not know the image, or has logits or features of it that are not finite.
        """
        image_id = int(target.get_field("image_id"))
        if image_id not in self.row:
            raise UserError(
                f"{self.name}: no image {image_id} among its {len(self.row)}; an image without boxes is listed with a"
                " count of 0"
            )
        row = self.row[image_id]
        rows = slice(int(self.ends[row] - self.arrays["counts"][row]), int(self.ends[row]))
        width, height = (float(side) for side in self.arrays["sizes"][row])
        if width != height and width * target.size[0] == height * target.size[1]:
            raise UserError(
                f"{self.name}: sizes gives image {image_id} as {width:g} x {height:g}, but it is {target.size[0]} x"
                f" {target.size[1]}: width comes first, of the image as it stands upright"
            )
        scale = np.asarray([target.size[0] / width, target.size[1] / height] * 2, np.float32)
        boxes = BoxList(torch.from_numpy(self._rows("boxes", rows, image_id) * scale), target.size).clip_to_image()
        if "logits" in self.arrays:
            logits = torch.from_numpy(self._rows("logits", rows, image_id))
        else:
            logits = self._label_logits(rows, image_id)
        best = logits.softmax(dim=1)[:, 1:].max(dim=1)
        boxes.add_field("pred_labels", best.indices + 1)
        boxes.add_field("pred_scores", best.values)
        boxes.add_field("predict_logits", logits)
        boxes.add_field("boxes_per_cls", boxes.bbox[:, None].repeat(1, self.num_classes, 1))
        if "features" in self.arrays:
            boxes.add_field("features", torch.from_numpy(self._rows("features", rows, image_id)))
        boxes = boxes.to(target.bbox.device)
        if training:
            boxes.add_field("labels", self._matched_labels(boxes, target))
        return boxes

    def _rows(self, name: str, rows: slice, image_id: int) -> np.ndarray:
        values = np.array(self.arrays[name][rows], dtype=np.float32)
        if not np.isfinite(values).all():  # arrays of a folder are read here for the first time
            raise UserError(
                f"{self.name}: {name} of image {image_id} must be finite numbers, found"
                f" {values[~np.isfinite(values)][0]}"
            )
        return values

    def _label_logits(self, rows: slice, image_id: int) -> Tensor:
        """Logits whose softmax gives the label its score, and every other class an even share of the rest."""
        labels = torch.from_numpy(np.array(self.arrays["labels"][rows], dtype=np.int64))
        scores = torch.ones(len(labels))
        if "scores" in self.arrays:
            scores = torch.from_numpy(self._rows("scores", rows, image_id))
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
        """An image's detections with `pred_labels` and `pred_scores`, in the frame that BoxList.size says."""
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


def _checked(
    arrays: Mapping[str, np.ndarray], num_classes: int, name: str
) -> tuple[dict[str, np.ndarray], dict[int, int]]:
    """The arrays, and the row of each image by its id."""
    missing = [key for key in ("image_ids", "sizes", "counts", "boxes") if key not in arrays]
    if not {"logits", "labels"} & set(arrays):
        missing.append("logits (or labels)")
    if missing:
        raise UserError(f"{name}: no array {', '.join(missing)}; it has {', '.join(arrays) or 'none'}")
    arrays = dict(arrays)
    images, boxes = (len(arrays[key]) if arrays[key].ndim else 0 for key in ("image_ids", "boxes"))
    # The shape, and whether the numbers must be whole; None: they are looked at elsewhere.
    wanted: dict[str, tuple[tuple[int, ...], bool | None]] = {
        "image_ids": ((images,), None),
        "sizes": ((images, 2), False),
        "counts": ((images,), True),
        "boxes": ((boxes, 4), False),
        "logits": ((boxes, num_classes), None),
        "labels": ((boxes,), True),
        "scores": ((boxes,), False),
    }
    for key, (shape, whole) in wanted.items():
        if key not in arrays:
            continue
        if arrays[key].shape != shape:
            raise UserError(
                f"{name}: {key} is {arrays[key].shape}, expected {shape} for {images} images, {boxes} boxes,"
                f" {num_classes} classes"
            )
        if whole is not None:
            columns = shape[1] if len(shape) > 1 else None
            arrays[key] = check_array(arrays[key], f"{name}: {key}", columns, whole=whole)
    if "features" in arrays and (arrays["features"].ndim != 2 or len(arrays["features"]) != boxes):
        raise UserError(f"{name}: features is {arrays['features'].shape}, expected ({boxes}, F)")
    for key in {"logits", "features"} & set(arrays):
        if arrays[key].dtype.kind not in "iuf":
            raise UserError(f"{name}: {key} must hold numbers, found {arrays[key].dtype}")
    counts = arrays["counts"].tolist()  # Python's sum of them cannot overflow
    if min(counts, default=0) < 0:
        raise UserError(f"{name}: counts add up boxes and are at least 0, found {min(counts)}")
    if sum(counts) != boxes:
        raise UserError(f"{name}: counts add up to {sum(counts)}, but there are {boxes} boxes")
    where = f"{name}: each of image_ids"
    rows = {image_number(image_id, where): row for row, image_id in enumerate(arrays["image_ids"].tolist())}
    if len(rows) != images:
        raise UserError(f"{name}: image_ids names an image twice")
    if images and arrays["sizes"].min() <= 0:
        raise UserError(f"{name}: sizes must be above 0")
    if "logits" not in arrays and boxes:
        least, most = arrays["labels"].min(), arrays["labels"].max()
        if least < 1 or most >= num_classes:
            raise UserError(f"{name}: labels must lie in 1 … {num_classes - 1}, found {least} … {most}")
    if "scores" in arrays and boxes:
        least, most = arrays["scores"].min(), arrays["scores"].max()
        if least < 0 or most >= 1.001:
            raise UserError(f"{name}: scores must lie in 0 … 1, found {least:g} … {most:g}")
    _check_boxes(arrays, name)
    return arrays, rows


def _check_boxes(arrays: Mapping[str, np.ndarray], name: str) -> None:
    """UserError for boxes of negative size, a warning for boxes in parts of their image."""
    boxes, image = np.asarray(arrays["boxes"]), np.repeat(np.arange(len(arrays["counts"])), arrays["counts"])
    negative = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    if len(negative):
        raise UserError(
            f"{name}: boxes must be x1, y1, x2, y2 with x2 >= x1 and y2 >= y1, found {boxes[negative[0]].tolist()} in"
            f" image {arrays['image_ids'][image[negative[0]]]} and {len(negative) - 1} more such"
        )
    parts = in_parts(boxes) & (arrays["sizes"].min(axis=1)[image] > 8)
    if parts.any():
        first = arrays["image_ids"][image[np.flatnonzero(parts)[0]]]
        warn_once(
            logger,
            f"{name}: {int(parts.sum())} of {len(boxes)} boxes ({100 * parts.mean():.1f} %) lie between 0 and 1, first"
            f" in image {first}: pixels of the frame that sizes gives are expected, not parts of the image",
        )
