"""
Predictions on disk: what SceneGraphEvaluator.update takes, image by image, so that figures can be had again without a
model.

The npz form is a zip of plain arrays. Images lie one after the other, and n_* say how many rows each has:

    n_pred_boxes (I,)   pred_boxes (·, 4) xyxy pixels, pred_labels (·,), pred_scores (·,)
    n_pred_rels (I,)    rel_pair_idxs (·, 2) rows of the image's boxes,
                        pred_rel_scores (·, K) with the background in column 0,
                        pred_rel_terms (·, T) of the pair's best predicate, where the model tells; header "terms": names
    n_gt_boxes (I,)     gt_boxes (·, 4), gt_labels (·,)            } left out where the ground truth is to come
    n_gt_rels (I,)      gt_rels (·, 3) subject, object, predicate  } from a data set
    image_ids (I,)      integers or text; may be absent

so np.savez_compressed writes one in a line. A long file holds several such groups, under "00000/n_pred_boxes" and so
on. Beside them may stand `header`, JSON text with mode, predicates and objects (names, background first) and dataset;
`zeroshot_triplets` (t, 3); `train_counts` (K,). The JSON form is one object with the header's keys and "images": a list
of {"image_id", "boxes", "labels", "scores", "pairs", "predicate_scores", "groundtruth": {"boxes", "labels",
"relations"}}. A folder of npz files counts as one, in order of names; hidden files are left out.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.evaluation.inputs import as_array
from maskrcnn_benchmark.evaluation.prediction_forms import ARRAYS, HEADER, OPTIONAL, JsonForm, NpzForm, checked_arrays
from maskrcnn_benchmark.utils.arrays import check_array, number_table
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.utils.untrusted import fields, shown

IMAGES_A_GROUP = 64


@dataclass(frozen=True)
class SavedImage:
    """One image of a file: what SceneGraphEvaluator.update takes; groundtruth is None where the file has none."""

    image_id: int | str
    prediction: dict[str, np.ndarray]
    groundtruth: dict[str, np.ndarray] | None


class PredictionWriter:
    """
    Writes an npz: `with PredictionWriter(path, mode="predcls", ...) as writer: writer.add(...)`. The file appears under
    its name when the block ends, and not at all if it raises.

    Args:
        path: ends in .npz.
        mode: "predcls", "sgcls" or "sgdet".
        predicates, objects: names, background first; may be empty.
        dataset: catalog name, for whoever reads the file.
        terms: names of what a relation's score is made of; predictions then have "terms" (m, T).
        zeroshot_triplets, train_counts: as SceneGraphEvaluator takes them.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        mode: str,
        predicates: Sequence[str] = (),
        objects: Sequence[str] = (),
        dataset: str = "",
        terms: Sequence[str] = (),
        zeroshot_triplets: Any = None,
        train_counts: Any = None,
    ) -> None:
        if Path(path).suffix != ".npz":
            raise UserError(f"predictions {path}: the name must end in .npz")
        self._stack = ExitStack()
        self._zip = self._stack.enter_context(
            zipfile.ZipFile(self._stack.enter_context(atomic_path(path)), "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        )
        header = {"mode": str(mode), "predicates": list(predicates), "objects": list(objects), "dataset": dataset}
        header["terms"] = list(terms)
        self._write("header", np.array(json.dumps(header)))
        for name, values in (("zeroshot_triplets", zeroshot_triplets), ("train_counts", train_counts)):
            if values is not None:
                self._write(name, as_array(values).astype(np.int64))
        self._images: list[tuple[int | str, Mapping[str, Any], Mapping[str, Any] | None]] = []
        self._groups = 0

    def add(
        self, image_id: int | str, prediction: Mapping[str, Any], groundtruth: Mapping[str, Any] | None = None
    ) -> None:
        """Adds an image, in the form of SceneGraphEvaluator.update; all images have a ground truth or none has."""
        self._images.append((image_id, prediction, groundtruth))
        if len(self._images) == IMAGES_A_GROUP:
            self._flush()

    def __enter__(self) -> "PredictionWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._stack.callback(self._flush)  # runs first: where it fails, the file does not appear
        self._stack.__exit__(*error)

    def _flush(self) -> None:
        if not self._images:
            return
        ids, predictions, groundtruths = zip(*self._images, strict=True)
        group = f"{self._groups:05d}/"
        self._write(f"{group}image_ids", np.array(ids))
        sources = {"prediction": predictions} | ({} if groundtruths[0] is None else {"groundtruth": groundtruths})
        for name, (rows, whose, key) in ARRAYS.items():
            if whose not in sources or (name in OPTIONAL and key not in sources[whose][0]):
                continue
            parts = [as_array(source[key]) for source in sources[whose]]
            self._write(group + name, np.concatenate(parts))
            if key in ("boxes", "pairs", "relations"):
                self._write(group + rows, np.array([len(part) for part in parts], dtype=np.int64))
        self._images = []
        self._groups += 1

    def _write(self, name: str, array: np.ndarray) -> None:
        with self._zip.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, array, allow_pickle=False)


class PredictionFile:
    """
    Reads predictions of either form, a group at a time: `for image in PredictionFile(path): evaluator.update(...)`.

    Attributes:
        mode, dataset: text, empty where the file does not say.
        predicates, objects: names, background first, or empty.
        terms: names of the columns of a prediction's "terms"; empty where there are none.
        zeroshot_triplets (t, 3), train_counts (K,): or None.
        num_predicates: K.
        has_groundtruth: whether its images carry ground truth.
        image_ids: of all images in their order, each once; numbers, or text that is none. Positions where
            `names_images` is False.
    Raises:
        UserError: no such file, a damaged one, an image twice, or values that are missing, of a wrong type or of
            lengths that do not fit; the message names the file, and the image or array.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._what = f"predictions {self.path}"
        files = (
            sorted(file for file in self.path.glob("*.npz") if not file.name.startswith("."))
            if self.path.is_dir()
            else [self.path]
        )
        if not files or not files[0].exists():
            what = "a folder without .npz files" if self.path.is_dir() else "no such file"
            raise UserError(f"{self._what}: {what}; TEST.SAVE_PREDICTIONS True writes them")
        self._form = JsonForm(self.path) if self.path.suffix == ".json" else NpzForm(files)
        header = self._form.header
        said = {key: header.get(key) or ("" if kind is str else []) for key, kind in HEADER.items()}
        self.mode, self.dataset, self.terms, *names = fields(said, self._what, **HEADER)
        self.predicates, self.objects = (
            vocabulary(values, f"{self._what}, {key}", with_background=True) if values else ()
            for key, values in zip(("predicates", "objects"), names, strict=True)
        )
        self.zeroshot_triplets = _numbers(header, "zeroshot_triplets", 3, self._what)
        self.train_counts = _numbers(header, "train_counts", None, self._what)
        given = list(self._form.ids())
        self.names_images = any(image_id is not None for image_id in given)
        self.image_ids = _distinct(given, self._what) if self.names_images else list(range(len(given)))
        first = next(iter(self), None)
        self.num_predicates = len(self.predicates) or (
            0 if first is None else first.prediction["predicate_scores"].shape[1]
        )
        if self.train_counts is not None and len(self.train_counts) != self.num_predicates:
            raise UserError(
                f"{self._what}: 'train_counts' has {len(self.train_counts)} entries, there are {self.num_predicates}"
                " predicates (background counted)"
            )
        self.has_groundtruth = first is not None and first.groundtruth is not None

    def __iter__(self) -> Iterator[SavedImage]:
        known: bool | None = None
        for number, sides in zip(range(len(self.image_ids)), self._form.images(self._called), strict=True):
            where, has_groundtruth = self._called(number), bool(sides["groundtruth"])
            if known not in (None, has_groundtruth):
                said = "a" if has_groundtruth else "no"
                raise UserError(f"{where}: has {said} groundtruth, unlike the images before it")
            known = has_groundtruth
            sides = {whose: checked_arrays(arrays, f"{where}: {whose}") for whose, arrays in sides.items()}
            told = sides["prediction"].get("terms")
            if told is not None and told.shape[1] != len(self.terms):
                raise UserError(
                    f"{where}: pred_rel_terms has {told.shape[1]} columns, the header {len(self.terms)} terms"
                )
            yield SavedImage(self.image_ids[number], sides["prediction"], sides["groundtruth"] or None)

    def _called(self, number: int) -> str:
        return f"{self._what}: image {number} (from 0), id {shown(self.image_ids[number])}"


def _numbers(header: Mapping[str, Any], key: str, columns: int | None, what: str) -> np.ndarray | None:
    """Whole numbers (n,) or (n, columns) of a header; None where it has none."""
    values = header.get(key)
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        return check_array(values, f"{what}: '{key}'", columns, whole=True)
    rows = fields(header, what, **{key: list})[0]
    return number_table(rows, columns, whole=True, where=lambda row: f"{what}: '{key}', row {row},")


def _distinct(given: Sequence[Any], what: str) -> list[int | str]:
    """Ids as numbers, or as text where they are none. UserError for one that is missing or there twice."""
    ids: list[int | str] = []
    places: dict[int, int] = {}
    for number, image_id in enumerate(given):
        key = image_number(image_id, f"{what}: image {number} (from 0): image_id")
        if key in places:
            raise UserError(
                f"{what}: image {shown(image_id)} is there twice, at {places[key]} and {number} (from 0), and would"
                " count twice; runs of several processes must not fill their last batch"
            )
        places[key] = number
        text = isinstance(image_id, str) and not (image_id.isascii() and image_id.isdigit())
        ids.append(image_id if text else key)
    return ids
