"""Every reader of files from outside: a sound input of it, how it is read, and what a plain reading says."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import read_source
from maskrcnn_benchmark.data.custom import Vocabulary, make_dataset
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.data.image_files import image_size, read_image
from maskrcnn_benchmark.data.proposals import ProposalFile
from maskrcnn_benchmark.data.word_vectors import load_word_vectors
from maskrcnn_benchmark.data.zeroshot import read_triplets
from maskrcnn_benchmark.evaluation.predictions import PredictionFile
from maskrcnn_benchmark.evaluation.saved import Setting, evaluate_saved
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import read_weights
from tests.fuzz import plain

OBJECTS, PREDICATES = ["cup", "table", "cat"], ["on", "under"]
BOXES = {1: [[4, 4, 27, 27], [2, 30, 91, 59]], 2: [[60, 4, 83, 23], [2, 30, 91, 59], [0, 0, 95, 63]]}
LABELS = {1: [1, 2], 2: [3, 2, 1]}
RELATIONS = {1: [[0, 1, 1]], 2: [[0, 1, 2], [2, 0, 1]]}
BACKGROUND = "__background__"


@dataclass(frozen=True)
class Reader:
    """
    Args:
        files: name -> content of a sound input.
        read: of a folder with these files; raises UserError or OSError for what it refuses.
        again: the plain reading, which must agree with what `read` returns where that is not None.
    """

    files: dict[str, bytes]
    read: Callable[[Path], Any]
    again: Callable[[Path], Any] | None = None


def _dump(content: Any) -> bytes:
    return json.dumps(content).encode()


def _graph(name: str) -> Callable[[Path], list[tuple]]:
    """Reads a catalog data set's annotations as plain.py has them."""

    def read(folder: Path) -> list[tuple]:
        source = read_source(dataset_entry(name, folder))
        flat, boxes, found = source.annotations, source.pixel_boxes(), []
        subjects, objects = flat.relation_boxes()
        for image, s, o, predicate in zip(
            flat.image_of_relation(), subjects, objects, flat.relations[:, 2], strict=True
        ):
            ends = [v for row in (s, o) for v in (source.objects[flat.labels[row]], tuple(boxes[row].tolist()))]
            found.append((source.file_name(int(image)), *ends[:2], source.predicates[predicate], *ends[2:]))
        return found

    return read


def _coco(*, inside: bool) -> dict[str, bytes]:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 96, "height": 64} for i in (1, 2)]
    items, relations, number = [], [], 10
    for image in (1, 2):
        first = number
        for (x1, y1, x2, y2), label in zip(BOXES[image], LABELS[image], strict=True):
            box = [x1, y1, x2 - x1 + 1, y2 - y1 + 1]
            items.append({"id": number, "image_id": image, "category_id": label, "bbox": box, "iscrowd": 0})
            number += 1
        relations += [
            {
                "id": 90 + len(relations) + i,
                "image_id": image,
                "subject_id": first + s,
                "object_id": first + o,
                "predicate_id": p,
            }
            for i, (s, o, p) in enumerate(RELATIONS[image])
        ]
    content = {
        "images": images,
        "annotations": items,
        "categories": [{"id": i, "name": n} for i, n in enumerate(OBJECTS, 1)],
    }
    if inside:
        more = {
            "rel_annotations": relations,
            "rel_categories": [{"id": i, "name": n} for i, n in enumerate(PREDICATES, 1)],
        }
        return {"mine/train.json": _dump(content | more)}
    tables = {"train": {str(i): RELATIONS[i] for i in (1, 2)}, "rel_categories": [BACKGROUND, *PREDICATES]}
    return {"mine/train.json": _dump(content), "mine/rel.json": _dump(tables)}


def _gqa() -> dict[str, bytes]:
    info = {"ind_to_classes": [BACKGROUND, *OBJECTS], "ind_to_predicates": [BACKGROUND, *PREDICATES]}
    content = {
        "filenames_all": ["1.jpg", "2.jpg"], "img_info_all": [{"width": 96, "height": 64}] * 2,
        "gt_boxes_all": list(BOXES.values()), "gt_classes_all": list(LABELS.values()),
        "relationships_all": list(RELATIONS.values()),
    }  # fmt: skip
    return {"gqa/GQA_200_ID_Info.json": _dump(info), "gqa/GQA_200_Train.json": _dump(content)}


def _less(rows: list[list[int]]) -> list[list[int]]:
    return [[s, o, p - 1] for s, o, p in rows]


def _open_images() -> dict[str, bytes]:
    images = [
        {
            "img_fn": f"{i}",
            "img_size": [96, 64],
            "bbox": BOXES[i],
            "det_labels": [n - 1 for n in LABELS[i]],
            "rel": _less(RELATIONS[i]),
        }
        for i in (1, 2)
    ]
    folder = "openimages/open_image_v6/annotations"
    return {
        f"{folder}/categories_dict.json": _dump({"obj": OBJECTS, "rel": PREDICATES}),
        f"{folder}/vrd-train-anno.json": _dump(images),
    }


def _psg() -> dict[str, bytes]:
    data = [
        {
            "image_id": str(i), "file_name": f"{i}.jpg", "width": 96, "height": 64, "relations": _less(RELATIONS[i]),
            "annotations": [{"bbox": b, "category_id": n - 1} for b, n in zip(BOXES[i], LABELS[i], strict=True)],
        }
        for i in (1, 2)
    ]  # fmt: skip
    lists = {
        "thing_classes": OBJECTS[:2],
        "stuff_classes": OBJECTS[2:],
        "predicate_classes": PREDICATES,
        "test_image_ids": ["2"],
    }
    return {"psg/psg.json": _dump({"data": data} | lists)}


def _vrd() -> dict[str, bytes]:
    def end(image: int, row: int) -> dict[str, Any]:
        x1, y1, x2, y2 = BOXES[image][row]
        return {"category": LABELS[image][row] - 1, "bbox": [y1, y2, x1, x2]}

    content = {
        f"{i}.jpg": [{"predicate": p - 1, "subject": end(i, s), "object": end(i, o)} for s, o, p in RELATIONS[i]]
        for i in (1, 2)
    }
    return {
        "vrd/annotations_train.json": _dump(content),
        "vrd/objects.json": _dump(OBJECTS),
        "vrd/predicates.json": _dump(PREDICATES),
    }


def _vg(folder: Path) -> dict[str, bytes]:
    images = [
        {
            "image_id": i,
            "width": 96,
            "height": 64,
            "boxes": BOXES[i],
            "labels": LABELS[i],
            "relations": RELATIONS[i],
            "split": "train",
        }
        for i in (1, 2)
    ]
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    return {f"mine/{path.name}": path.read_bytes() for path in folder.iterdir()}


def _predictions() -> list[dict[str, Any]]:
    found = []
    for i in (1, 2):
        scores = [[0.0] + [0.9 if k == p else 0.05 for k in (1, 2)] for _, _, p in RELATIONS[i]]
        pairs = [[s, o] for s, o, _ in RELATIONS[i]]
        truth = {"boxes": BOXES[i], "labels": LABELS[i], "relations": RELATIONS[i]}
        found.append(
            {"image_id": i, "boxes": BOXES[i], "labels": LABELS[i], "scores": [0.5] * len(LABELS[i]), "pairs": pairs,
             "predicate_scores": scores, "groundtruth": truth}
        )  # fmt: skip
    return found


def _json_predictions() -> dict[str, bytes]:
    header = {
        "mode": "sgdet",
        "objects": [BACKGROUND, *OBJECTS],
        "predicates": [BACKGROUND, *PREDICATES],
        "train_counts": [0, 5, 3],
    }
    return {"p.json": _dump(header | {"images": _predictions()})}


def _npz_predictions() -> dict[str, bytes]:
    images = _predictions()

    def rows(key: str, *side: str) -> np.ndarray:
        return np.array([v for image in images for v in (image[side[0]] if side else image)[key]])

    arrays = {
        "image_ids": np.array([1, 2]), "n_pred_boxes": np.array([2, 3]), "pred_boxes": rows("boxes"),
        "pred_labels": rows("labels"), "pred_scores": rows("scores"), "n_pred_rels": np.array([1, 2]),
        "rel_pair_idxs": rows("pairs"), "pred_rel_scores": rows("predicate_scores"), "n_gt_boxes": np.array([2, 3]),
        "gt_boxes": rows("boxes", "groundtruth"), "gt_labels": rows("labels", "groundtruth"),
        "n_gt_rels": np.array([1, 2]), "gt_rels": rows("relations", "groundtruth"),
        "header": np.array(json.dumps({"mode": "sgdet", "predicates": [BACKGROUND, *PREDICATES]})),
    }  # fmt: skip
    return {"p.npz": _npz(arrays)}


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _read_predictions(name: str) -> Callable[[Path], list[tuple]]:
    def read(folder: Path) -> list[tuple]:
        file = PredictionFile(folder / name)
        found = []
        for image in file:
            values = [image.prediction[key] for key in ("boxes", "labels", "scores", "pairs", "predicate_scores")]
            values.append(image.groundtruth["relations"] if image.groundtruth else [])
            found.append((str(image.image_id), *(np.float32(v).ravel().tolist() for v in values)))
        _, metrics = evaluate_saved(file, Setting(mode="sgdet"))
        figures = [*metrics["R"].values(), *metrics["mR"].values(), metrics.get("AP50")]
        assert all(value is None or 0 <= value <= 1 for value in figures), figures
        return found

    return read


def _proposals(folder: Path) -> None:
    file = ProposalFile.open(folder / "boxes.npz", num_classes=4)
    for image_id in file.row:
        target = BoxList(torch.zeros(0, 4), (96, 64))
        target.add_field("image_id", image_id)
        found = file.entities(target)
        assert (
            all(torch.isfinite(found.get_field(name).float()).all() for name in found.fields())
            and torch.isfinite(found.bbox).all()
        )


def _vectors(folder: Path) -> None:
    vectors = load_word_vectors(OBJECTS, folder, 3)
    assert vectors is None or (vectors.shape == (3, 3) and torch.isfinite(vectors).all())


def _image(folder: Path) -> None:
    path = next(folder.glob("a.*"))
    width, height = image_size(path)
    assert read_image(path).shape == (3, height, width)


def _custom(source: str) -> Callable[[Path], list[tuple] | None]:
    """Makes a data set of one photograph and of annotations in any form; of words.json's names, if there is one."""

    def read(folder: Path) -> list[tuple] | None:
        image, words = folder / "a.jpg", folder / "words.json"
        if not image.exists():
            Image.new("RGB", (96, 64)).save(image)
        vocabulary = Vocabulary.from_file(words) if words.exists() else None
        make_dataset([folder / source], folder, folder / "made", vocabulary=vocabulary, val=0, test=0)
        return _graph("made_train")(folder) and None

    return read


def _label_studio() -> dict[str, bytes]:
    result: list[dict[str, Any]] = []
    for row, ((x1, y1, x2, y2), label) in enumerate(zip(BOXES[1], LABELS[1], strict=True)):
        box = {"x": x1 / 0.96, "y": y1 / 0.64, "width": (x2 - x1 + 1) / 0.96, "height": (y2 - y1 + 1) / 0.64}
        value = {**box, "rotation": 0, "rectanglelabels": [OBJECTS[label - 1]]}
        shape = {"original_width": 96, "original_height": 64, "image_rotation": 0}
        result.append({"id": f"r{row}", "type": "rectanglelabels", **shape, "value": value})
    result.append({"id": "r0", "type": "choices", "value": {"choices": ["blue"]}})
    result.append({"type": "relation", "from_id": "r0", "to_id": "r1", "direction": "right", "labels": ["on"]})
    annotation = {"id": 3, "was_cancelled": False, "ground_truth": False, "result": result}
    return {"export.json": _dump([{"id": 1, "data": {"image": "/data/a.jpg"}, "annotations": [annotation]}])}


def _yolo() -> dict[str, bytes]:
    return {
        "yolo/a.txt": b"0 0.166 0.25 0.25 0.375\n1 0.489 0.703 0.9375 0.46875\n",
        "yolo/data.yaml": b"names: [cup, table, cat]\nnc: 3\n",
        "yolo/relations.csv": b"file,subject,predicate,object\na.jpg,0,on,1\n",
    }


def _weights(folder: Path) -> None:
    read_weights(folder / "w.pth")


def _config(folder: Path) -> None:
    load_config(str(folder / "c.yaml"), [])


def _torch(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _picture(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format=kind, exif=exif, **options)
    return stream.getvalue()


def all_readers(scratch: Path) -> dict[str, Reader]:
    """By name; `scratch` is an empty folder for making sound inputs."""
    table = b"cup 0.1 0.2 0.3\ntable 1 2 3\ncat -1 0 1e-3\n"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.6B.3d.txt", table)
    objects = [{"box": box, "label": OBJECTS[label - 1]} for box, label in zip(BOXES[1], LABELS[1], strict=True)]
    entry = {"file": "a.jpg", "split": "train", "objects": objects, "relations": [[0, "on", 1]]}
    boxes = {
        "image_ids": np.array([1, 2]), "sizes": np.array([[96, 64]] * 2), "counts": np.array([2, 3]),
        "boxes": np.array(BOXES[1] + BOXES[2]), "labels": np.array(LABELS[1] + LABELS[2]),
        "scores": np.full(5, 0.5), "features": np.ones((5, 2), np.float32),
    }  # fmt: skip
    readers = {
        "coco": Reader(_coco(inside=True), _graph("mine_train"), lambda f: plain.coco(f / "mine")),
        "rel.json": Reader(_coco(inside=False), _graph("mine_train"), lambda f: plain.coco(f / "mine")),
        "gqa": Reader(_gqa(), _graph("GQA_200_train"), lambda f: plain.gqa(f / "gqa")),
        "open images": Reader(
            _open_images(), _graph("openimage_v6_train"), lambda f: plain.open_images(f / "openimages/open_image_v6")
        ),
        "psg": Reader(_psg(), _graph("psg_train"), plain.psg),
        "vrd": Reader(_vrd(), _graph("vrd_train"), plain.vrd),
        "vg": Reader(_vg(scratch), _graph("mine_train"), lambda f: plain.vg(f / "mine")),
        "json predictions": Reader(_json_predictions(), _read_predictions("p.json"), plain.json_predictions),
        "npz predictions": Reader(_npz_predictions(), _read_predictions("p.npz"), plain.npz_predictions),
        "proposals": Reader({"boxes.npz": _npz(boxes)}, _proposals),
        "word vectors": Reader({"glove.6B.3d.txt": table}, _vectors),
        "zipped word vectors": Reader({"glove.6B.3d.zip": zipped.getvalue()}, _vectors),
        "word vector cache": Reader(
            {"glove.6B.3d.pt": _torch(({"cup": 0, "table": 1}, torch.ones(2, 3), 3))}, _vectors
        ),
        "triplets": Reader(
            {"t.pytorch": _torch(torch.tensor([[1, 2, 1]]))},
            lambda f: read_triplets(f / "t.pytorch", num_classes=3, num_predicates=2) is None or None,
        ),
        "make_dataset": Reader(
            {
                "list.json": _dump([entry]),
                "words.json": _dump({"objects": OBJECTS, "predicates": PREDICATES, "attributes": []}),
            },
            _custom("list.json"),
        ),
        "label studio": Reader(_label_studio(), _custom("export.json")),
        "yolo": Reader(_yolo(), _custom("yolo")),
        "weights": Reader({"w.pth": _torch({"model": {"rpn.fc.weight": torch.ones(2, 3)}, "iteration": 7})}, _weights),
        "config": Reader(
            {"c.yaml": b'SOLVER:\n  BASE_LR: 0.01\n  STEPS: (2, 4)\nDATASETS:\n  TRAIN: ("scenes_train",)\n'}, _config
        ),
        "jpeg": Reader({"a.jpg": _picture("JPEG")}, _image),
        "png": Reader({"a.png": _picture("PNG")}, _image),
        "webp": Reader({"a.webp": _picture("WEBP")}, _image),
        "tiff": Reader({"a.tif": _picture("TIFF")}, _image),
    }
    return readers


REFUSED = (UserError, OSError)
