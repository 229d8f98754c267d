"""The data set that every reader's annotations become: images, targets and facts of one split."""

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from maskrcnn_benchmark.data.annotations import Annotations, related_boxes_overlap
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, clip_boxes, split_rows
from maskrcnn_benchmark.data.image_files import ImageFileError, read_image
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.seeding import numpy_generator

logger = get_logger(__name__)

Transform = Callable[[Tensor, BoxList, np.random.Generator], tuple[Tensor, BoxList]]


class SceneGraphDataset(Dataset):
    """
    One split of a data set. `dataset[i]`, or `dataset[epoch, i]` in training, is (image, target, i):

    - image: (3, h, w) uint8 RGB, resized by the transform.
    - target: BoxList in the frame of that image with `labels` (n,), `relation_tuple` (r, 3) subject row, object row,
      predicate, `image_id` and `epoch` (int), and `attributes` (n, A) zero-padded where the data set has any.

    Training draws (sizes, mirroring, which of several relations of a pair) depend on (seed, epoch, image id) alone.
    Evaluation keeps every box and relation; training leaves out boxes that clipping to the image empties, with their
    relations, and of the relations of one ordered pair it keeps one, drawn anew each epoch.

    Args:
        source: what the files say.
        split: "train", "val" or "test".
        image_dir: folder of the images.
        num_val: how many training images, from the first, are val; None: the files say it.
        with_relations: leave out images without a relation, as relation work does; a detector keeps them.
        training: the rules of training above.
        require_overlap: training leaves out relations whose boxes do not overlap, and images left without one.
        transform: (image, target, generator) -> (image, target); None: the image as it is.
        seed: of all draws.
        skip_missing: an image whose file is missing is left out with a count, one that does not decode is None when it
            is read; False: reading either is an ImageFileError that names it (require_image_files looks for all of them
            beforehand).
    Raises:
        UserError: nothing is left; or an image file, see skip_missing.
    """

    def __init__(
        self,
        source: AnnotationSource,
        split: str,
        *,
        image_dir: str | Path,
        num_val: int | None = None,
        with_relations: bool = True,
        training: bool = False,
        require_overlap: bool = False,
        transform: Transform | None = None,
        seed: int = 0,
        skip_missing: bool = False,
    ):
        self.image_dir, self.split, self.training = Path(image_dir), split, training
        self.transform, self.seed, self.skip_missing = transform, seed, skip_missing
        self.meta = DatasetMeta(source.objects, source.predicates, source.attributes)
        self._named = f"{source.file.name}, {split}"
        source = source.take(split_rows(source, split, num_val=num_val, with_relations=with_relations))
        annotations = source.annotations
        if training and require_overlap:
            annotations = annotations.keep_relations(related_boxes_overlap(annotations))
        boxes, beyond = clip_boxes(source.pixel_boxes(), np.repeat(source.sizes, annotations.box_counts, axis=0))
        attributes = annotations.attributes if source.attributes else None
        annotations = replace(annotations, boxes=boxes, attributes=attributes)
        self._source = replace(source, annotations=annotations, box_scale=None)
        if beyond.any():
            logger.info("%s: %d boxes reach beyond their image and were clipped", self._named, int(beyond.sum()))
        if training:
            self._leave_out_empty_boxes()
            left = self._annotations.rel_counts if with_relations else self._annotations.box_counts
            self._keep_images(left > 0, "nothing left to learn from", level=logging.INFO)
        if skip_missing:
            self._keep_images(self._files_present(), "the image file missing", level=logging.WARNING)

    def __len__(self) -> int:
        return len(self._source.image_ids)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[Tensor, BoxList, int] | None:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        if not 0 <= index < len(self):
            raise IndexError(f"{self._named}: image {index} of {len(self)}")
        try:
            image = self.image(index)
        except ImageFileError as error:
            if not self.skip_missing:
                raise
            logger.warning("left out: %s", error)
            return None
        target, generator = self.draw_target(index, epoch)
        if self.transform is not None:
            image, target = self.transform(image, target, generator)
        return image, target, int(index)

    def draw_target(self, index: int, epoch: int) -> tuple[BoxList, np.random.Generator]:
        """An item's target before the transform, and the generator that the transform goes on drawing from."""
        generator = numpy_generator(self.seed, epoch, int(self._source.image_ids[index]))
        target = self.get_groundtruth(index)
        target.add_field("epoch", int(epoch))
        if self.training:
            target.add_field("relation_tuple", one_relation_per_pair(target.get_field("relation_tuple"), generator))
        return target, generator

    def get_groundtruth(self, index: int) -> BoxList:
        """The ground truth of an image in its annotated size, clipped, with the fields of an item but `epoch`."""
        flat = self._annotations
        boxes = slice(flat.box_start[index], flat.box_start[index + 1])
        relations = slice(flat.rel_start[index], flat.rel_start[index + 1])
        target = BoxList(torch.from_numpy(flat.boxes[boxes].copy()), tuple(self._source.sizes[index].tolist()))
        target.add_field("labels", torch.from_numpy(flat.labels[boxes].astype(np.int64)))
        if flat.attributes is not None:
            target.add_field("attributes", torch.from_numpy(flat.attributes[boxes].astype(np.int64)))
        target.add_field("relation_tuple", torch.from_numpy(flat.relations[relations].astype(np.int64)))
        target.add_field("image_id", int(self._source.image_ids[index]))
        return target

    def get_img_info(self, index: int) -> dict[str, Any]:
        """{"image_id", "width", "height", "file_name"} of an image; file_name is relative to the folder of images."""
        width, height = self._source.sizes[index].tolist()
        image_id, file_name = int(self._source.image_ids[index]), self._source.file_name(index)
        return {"image_id": image_id, "width": width, "height": height, "file_name": file_name}

    def image_path(self, index: int) -> Path:
        """The image file."""
        return self.image_dir / self._source.file_name(index)

    def image(self, index: int) -> Tensor:
        """An image's pixels in the frame of its boxes, (3, h, w) uint8 RGB. ImageFileError if there are none such."""
        path = self.image_path(index)
        image = read_image(path)
        found, expected = (image.size(2), image.size(1)), tuple(self._source.sizes[index].tolist())
        if found != expected and found == expected[::-1]:
            # Some published files give size and boxes of an image as it is stored, whatever its EXIF orientation says.
            image = read_image(path, upright=False)
            found = (image.size(2), image.size(1))
        if found != expected:
            raise ImageFileError(
                f"image {path}: is {found[0]} x {found[1]}, but the annotations say {expected[0]} x {expected[1]}"
            )
        return image

    def require_image_files(self) -> None:
        """ImageFileError that names the first missing image file and counts the rest, if any is missing."""
        missing = np.flatnonzero(~self._files_present())
        if len(missing):
            raise ImageFileError(
                f"image {self.image_path(missing[0])}: no such file, and {len(missing) - 1} more of the {len(self)}"
                f" images of split '{self.split}' are missing; DATASET.md says where to get them,"
                " DATASETS.SKIP_MISSING_IMAGES True leaves such out"
            )

    def sizes(self) -> np.ndarray:
        """(I, 2) width and height of every image, as annotated."""
        return self._source.sizes

    def boxes_digest(self) -> str:
        """A digest of which images these are and of their boxes."""
        found = hashlib.blake2b(digest_size=12)
        for array in (self._source.image_ids, self._source.sizes, self._annotations.box_start, self._annotations.boxes):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def digest(self) -> str:
        """A digest of all that is learned from: images, boxes, labels, attributes and relations."""
        found, flat = hashlib.blake2b(self.boxes_digest().encode(), digest_size=12), self._annotations
        for array in (flat.labels, flat.attributes, flat.rel_start, flat.relations):
            if array is not None:
                found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def triplets(self) -> np.ndarray:
        """(t, 3) int64 distinct (subject class, object class, predicate) of the split, sorted."""
        return self._annotations.distinct_triplets()

    def relation_counts(self) -> np.ndarray:
        """(I,) relations of each image."""
        return self._annotations.rel_counts

    def predicate_counts(self) -> np.ndarray:
        """(K,) relations by predicate in this split, background 0."""
        return np.bincount(self._annotations.relations[:, 2], minlength=self.meta.num_predicates)

    # -- how the arrays are made --------------------------------------------------------------------------------------

    @property
    def _annotations(self) -> Annotations:
        return self._source.annotations

    def _leave_out_empty_boxes(self) -> None:
        boxes = self._annotations.boxes
        whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        if not whole.all():
            logger.info("%s: %d boxes are empty once clipped and left out", self._named, int((~whole).sum()))
            self._source = replace(self._source, annotations=self._annotations.keep_boxes(whole))

    def _keep_images(self, keep: np.ndarray, why: str, *, level: int) -> None:
        if keep.all():
            return
        logger.log(level, "%s: %d of %d images left out, %s", self._named, int((~keep).sum()), len(keep), why)
        if not keep.any():
            raise UserError(
                f"{self._source.file}, split '{self.split}': all {len(keep)} images are left out, {why} (folder"
                f" {self.image_dir})"
            )
        self._source = self._source.take(np.flatnonzero(keep))

    def _files_present(self) -> np.ndarray:
        """(I,) bool; each folder is listed once."""
        paths = [self.image_path(index) for index in range(len(self))]
        folders = {path.parent for path in paths}
        listed = {folder: set(os.listdir(folder)) if folder.is_dir() else set() for folder in folders}
        return np.array([path.name in listed[path.parent] for path in paths], dtype=bool)


def one_relation_per_pair(relations: Tensor, generator: np.random.Generator) -> Tensor:
    """
    Of the relations of one ordered pair, one, drawn at random: a predicate that is there twice counts twice.

    Args:
        relations: (r, 3) subject, object, predicate.
    Returns:
        (r', 3), ordered by where a pair comes first.
    """
    pairs = (relations[:, 0] << 32 | relations[:, 1]).numpy()
    shuffled = generator.permutation(len(pairs))
    _, first = np.unique(pairs, return_index=True)
    # The first of a pair's relations after a shuffle is a fair draw among them.
    _, drawn = np.unique(pairs[shuffled], return_index=True)
    return relations[torch.from_numpy(shuffled[drawn][np.argsort(first)])]
