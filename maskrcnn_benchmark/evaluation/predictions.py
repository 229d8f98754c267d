"""
Predictions on disk: what SceneGraphEvaluator.update takes, image by image, so that figures can be had again without a model.

The npz form is a zip of plain arrays. Images lie one after the other, and n_* say how many rows each has:

    n_pred_boxes (I,)   pred_boxes (·, 4) xyxy pixels, pred_labels (·,), pred_scores (·,)
    n_pred_rels (I,)    rel_pair_idxs (·, 2) rows of the image's boxes, pred_rel_scores (·, K) with the background in column 0
    n_gt_boxes (I,)     gt_boxes (·, 4), gt_labels (·,)            } left out where the ground truth is to come
    n_gt_rels (I,)      gt_rels (·, 3) subject, object, predicate  } from a data set
    image_ids (I,)      integers or text; may be absent

so np.savez_compressed writes one in a line. A long file holds several such groups, under "00000/n_pred_boxes" and so on. Beside them may
stand `header`, JSON text with mode, predicates and objects (names, background first) and dataset; `zeroshot_triplets` (t, 3);
`train_counts` (K,). The JSON form is one object with the header's keys and "images": a list of {"image_id", "boxes", "labels", "scores",
"pairs", "predicate_scores", "groundtruth": {"boxes", "labels", "relations"}}. A folder of npz files counts as one, in order of names.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.evaluation.inputs import as_array
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path

# Array in the file -> (what counts its rows, whose it is, its key there, columns).
ARRAYS = {
    "pred_boxes": ("n_pred_boxes", "prediction", "boxes", 4),
    "pred_labels": ("n_pred_boxes", "prediction", "labels", None),
    "pred_scores": ("n_pred_boxes", "prediction", "scores", None),
    "rel_pair_idxs": ("n_pred_rels", "prediction", "pairs", 2),
    "pred_rel_scores": ("n_pred_rels", "prediction", "predicate_scores", -1),
    "gt_boxes": ("n_gt_boxes", "groundtruth", "boxes", 4),
    "gt_labels": ("n_gt_boxes", "groundtruth", "labels", None),
    "gt_rels": ("n_gt_rels", "groundtruth", "relations", 3),
}
FLOATS = ("pred_boxes", "pred_scores", "pred_rel_scores", "gt_boxes")
IMAGES_A_GROUP = 64


@dataclass(frozen=True)
class SavedImage:
    """One image of a file: what SceneGraphEvaluator.update takes; groundtruth is None where the file has none."""

    image_id: int | str
    prediction: dict[str, np.ndarray]
    groundtruth: dict[str, np.ndarray] | None


class PredictionWriter:
    """
    Writes an npz of predictions as they come: `with PredictionWriter(path, mode="predcls", ...) as writer: writer.add(...)`.

    The file appears under its name when the block ends, and not at all if it raises.

    Args:
        path: ends in .npz.
        mode: "predcls", "sgcls" or "sgdet".
        predicates, objects: names, background first; may be empty.
        dataset: catalog name, for whoever reads the file.
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
        self._write("header", np.array(json.dumps(header)))
        for name, values in (("zeroshot_triplets", zeroshot_triplets), ("train_counts", train_counts)):
            if values is not None:
                self._write(name, as_array(values).astype(np.int64))
        self._images: list[tuple[int | str, Mapping[str, Any], Mapping[str, Any] | None]] = []
        self._groups = 0

    def add(self, image_id: int | str, prediction: Mapping[str, Any], groundtruth: Mapping[str, Any] | None = None) -> None:
        """Adds an image, in the form of SceneGraphEvaluator.update; all images have a ground truth or none has."""
        self._images.append((image_id, prediction, groundtruth))
        if len(self._images) == IMAGES_A_GROUP:
            self._flush()

    def close(self) -> None:
        """Ends the file, which takes its name."""
        self._flush()
        self._stack.close()

    def __enter__(self) -> "PredictionWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self.close()
        else:
            self._stack.__exit__(*error)

    def _flush(self) -> None:
        if not self._images:
            return
        ids, predictions, truths = zip(*self._images, strict=True)
        group = f"{self._groups:05d}/"
        self._write(f"{group}image_ids", np.array(ids))
        sources = {"prediction": predictions} | ({} if truths[0] is None else {"groundtruth": truths})
        for name, (rows, whose, key, _) in ARRAYS.items():
            if whose not in sources:
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
        zeroshot_triplets (t, 3), train_counts (K,): or None.
        num_predicates: K.
        has_groundtruth: whether its images carry annotations.
    Raises:
        UserError: no such file, a damaged one, or arrays that are missing or of lengths that do not fit; the message names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        files = sorted(self.path.glob("*.npz")) if self.path.is_dir() else [self.path]
        if not files or not files[0].exists():
            what = "a folder without .npz files" if self.path.is_dir() else "no such file"
            raise UserError(f"predictions {self.path}: {what}; TEST.SAVE_PREDICTIONS True writes them")
        self._files = files
        self._json = _read_json(self.path) if self.path.suffix == ".json" else None
        header = self._json if self._json is not None else self._read_header()
        self.mode, self.dataset = str(header.get("mode") or ""), str(header.get("dataset") or "")
        self.predicates, self.objects = (tuple(header.get(key) or ()) for key in ("predicates", "objects"))
        self.zeroshot_triplets, self.train_counts = (self._optional(header, key) for key in ("zeroshot_triplets", "train_counts"))
        first = next(iter(self), None)
        self.num_predicates = len(self.predicates) or (0 if first is None else first.prediction["predicate_scores"].shape[1])
        self.has_groundtruth = first is not None and first.groundtruth is not None

    def __iter__(self) -> Iterator[SavedImage]:
        if self._json is not None:
            yield from self._json_images()
            return
        number = 0
        for file in self._files:
            with _opened(file) as archive:
                for group in sorted({name.rpartition("/")[0] for name in archive.files if name.rpartition("/")[2] == "n_pred_boxes"}):
                    for image in _group_images(archive, f"{group}/" if group else "", file, number):
                        yield image
                        number += 1

    @staticmethod
    def _optional(header: Mapping[str, Any], key: str) -> np.ndarray | None:
        return None if header.get(key) is None else np.asarray(header[key], dtype=np.int64)

    def _read_header(self) -> dict[str, Any]:
        with _opened(self._files[0]) as archive:
            if not any(name.rpartition("/")[2] == "n_pred_boxes" for name in archive.files) and "header" not in archive.files:
                raise UserError(f"predictions {self._files[0]}: no array n_pred_boxes; found {', '.join(archive.files[:8]) or 'nothing'}")
            header = json.loads(str(_member(archive, "header", self._files[0]))) if "header" in archive.files else {}
            stored = [key for key in ("zeroshot_triplets", "train_counts") if key in archive.files]
            return header | {key: _member(archive, key, self._files[0]) for key in stored}

    def _json_images(self) -> Iterator[SavedImage]:
        for number, image in enumerate(self._json["images"]):
            whole = {"prediction": image, "groundtruth": image.get("groundtruth")}
            sides = {"prediction": {}, "groundtruth": {}}
            for name, (_, whose, key, columns) in ARRAYS.items():
                if whole[whose] is None:
                    continue
                if key not in whole[whose]:
                    raise UserError(f"predictions {self.path}: image {number} (from 0) has no '{key}' in its {whose}")
                array = np.asarray(whole[whose][key], dtype=np.float32 if name in FLOATS else np.int64)
                if not array.size and columns is not None:
                    array = array.reshape(0, columns if columns > 0 else len(self.predicates))
                sides[whose][key] = array
            yield SavedImage(image.get("image_id", number), sides["prediction"], sides["groundtruth"] or None)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"predictions {path}: is not valid JSON ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise UserError(f'predictions {path}: expected a JSON object with a list "images"; docs/metrics.md shows one')
    return content


def _opened(file: Path) -> Any:
    try:
        archive = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"predictions {file}: cannot be read as .npz ({error}); docs/metrics.md describes the form") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"predictions {file}: is a single array, expected an .npz with several; docs/metrics.md describes the form")
    return archive


def _member(archive: Any, name: str, file: Path) -> np.ndarray:
    if name not in archive.files:
        raise UserError(f"predictions {file}: no array {name}; found {', '.join(archive.files[:12])}")
    try:
        return archive[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"predictions {file}: array {name} is damaged ({error})") from error


def _group_images(archive: Any, group: str, file: Path, number: int) -> Iterator[SavedImage]:
    """The images of one group of arrays; `number`: of its first image in the whole file."""
    with_truth = f"{group}n_gt_boxes" in archive.files
    counts: dict[str, np.ndarray] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for name, (rows, whose, _, _) in ARRAYS.items():
        if whose == "groundtruth" and not with_truth:
            continue
        if rows not in counts:
            counts[rows] = _member(archive, group + rows, file).reshape(-1)
        array = _member(archive, group + name, file)
        if len(array) != counts[rows].sum():
            raise UserError(f"predictions {file}: {group}{name} has {len(array)} rows, {rows} adds up to {counts[rows].sum()}")
        parts[name] = np.split(array, np.cumsum(counts[rows])[:-1])
    images = len(counts["n_pred_boxes"])
    if any(len(count) != images for count in counts.values()):
        found = ", ".join(f"{name} {len(count)}" for name, count in counts.items())
        raise UserError(f"predictions {file}: arrays of counts must be one entry an image, found {found}")
    ids = _member(archive, f"{group}image_ids", file).tolist() if f"{group}image_ids" in archive.files else range(number, number + images)
    for i in range(images):
        sides: dict[str, dict[str, np.ndarray]] = {"prediction": {}, "groundtruth": {}}
        for name, cut in parts.items():
            _, whose, key, _ = ARRAYS[name]
            sides[whose][key] = cut[i]
        yield SavedImage(ids[i], sides["prediction"], sides["groundtruth"] or None)
