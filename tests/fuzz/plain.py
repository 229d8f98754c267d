"""
Annotation files read again in the plainest way, to compare with what the package accepted.

Each function gives the graph of a folder: rows (image, subject name, subject box, predicate name, object name, object
box).
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Graph = list[tuple]


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _name(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _box(values: Any) -> tuple[float, ...]:
    return tuple(np.float32(v).item() for v in values)


def _rows(image: str, boxes: list, names: list[str], relations: list, predicate: Any) -> Graph:
    found = []
    for s, o, p in relations:
        s, o = int(s), int(o)
        found.append((image, names[s], _box(boxes[s]), predicate(p), names[o], _box(boxes[o])))
    return found


def coco(folder: Path) -> Graph:
    """Relations inside the file, or in a rel.json."""
    content = _json(folder / "train.json")
    objects = {int(c["id"]): _name(c["name"]) for c in content["categories"]}
    graph = []
    for image in content["images"]:
        items = [a for a in content["annotations"] if str(_whole(a["image_id"])) == str(_whole(image["id"]))]
        crowd = [bool(a.get("iscrowd") or a.get("ignore")) for a in items]
        boxes = [(x, y, x + w - 1, y + h - 1) for x, y, w, h in (a["bbox"] for a in items)]
        names = [objects[int(a["category_id"])] for a in items]
        if "rel_annotations" in content:
            predicates = {int(c["id"]): _name(c["name"]) for c in content["rel_categories"]}
            ids = [str(_whole(a.get("id"))) for a in items]
            relations = [
                r
                for r in content["rel_annotations"]
                if str(_whole(r.get("image_id", image["id"]))) == str(_whole(image["id"]))
            ]
            ends = [(str(_whole(r["subject_id"])), str(_whole(r["object_id"])), r["predicate_id"]) for r in relations]
            if any("image_id" not in r for r in relations):
                ends = [e for e in ends if e[0] in ids and e[1] in ids]
            triplets = [(ids.index(s), ids.index(o), p) for s, o, p in ends]
        else:
            tables = _json(folder / "rel.json")
            predicates = {i: _name(c) for i, c in enumerate(tables["rel_categories"])}
            by_image = {str(_whole(key)): value for key, value in tables.get("train", {}).items()}
            triplets = by_image.get(str(_whole(image["id"])), [])
        kept = [t for t in triplets if not crowd[int(t[0])] and not crowd[int(t[1])]]
        graph += _rows(image["file_name"], boxes, names, kept, lambda p, known=predicates: known[int(p)])
    return graph


def _whole(value: Any) -> Any:
    return (
        int(value)
        if isinstance(value, float) or (isinstance(value, str) and value.isascii() and value.isdigit())
        else value
    )


def gqa(root: Path) -> Graph:
    info, content = _json(root / "GQA_200_ID_Info.json"), _json(root / "GQA_200_Train.json")
    objects, predicates = ([_name(n) for n in info[key]] for key in ("ind_to_classes", "ind_to_predicates"))
    graph = []
    for name, boxes, labels, relations in zip(
        *(content[key] for key in ("filenames_all", "gt_boxes_all", "gt_classes_all", "relationships_all")), strict=True
    ):
        if boxes and not any(any(box) for box in boxes):
            continue
        graph += _rows(name, boxes, [objects[int(n)] for n in labels], relations, lambda p: predicates[int(p)])
    return graph


def open_images(root: Path) -> Graph:
    names = _json(root / "annotations/categories_dict.json")
    graph = []
    for image in _json(root / "annotations/vrd-train-anno.json"):
        labels = [_name(names["obj"][int(n)]) for n in image["det_labels"]]
        graph += _rows(
            f"{image['img_fn']}.jpg", image["bbox"], labels, image["rel"], lambda p: _name(names["rel"][int(p)])
        )
    return graph


def psg(root: Path) -> Graph:
    content = _json(root / "psg/psg.json")
    objects = [_name(n) for n in (*content["thing_classes"], *content["stuff_classes"])]
    graph = []
    for image in content["data"]:
        boxes, labels = ([a[key] for a in image["annotations"]] for key in ("bbox", "category_id"))
        names = [objects[int(n)] for n in labels]
        graph += _rows(
            image["file_name"], boxes, names, image["relations"], lambda p: _name(content["predicate_classes"][int(p)])
        )
    return graph


def vrd(root: Path) -> Graph:
    objects, predicates = ([_name(n) for n in _json(root / f"vrd/{what}.json")] for what in ("objects", "predicates"))
    graph = []
    for name, relations in _json(root / "vrd/annotations_train.json").items():
        for relation in relations:
            ends = []
            for what in ("subject", "object"):
                y1, y2, x1, x2 = relation[what]["bbox"]
                ends += [objects[int(relation[what]["category"])], _box((x1, y1, x2, y2))]
            graph.append((name, *ends[:2], predicates[int(relation["predicate"])], *ends[2:]))
    return graph


VG_ARRAYS = ("labels", "boxes_1024", "relationships", "predicates", "img_to_first_rel", "img_to_last_rel")


def vg(folder: Path) -> Graph:
    tables, info = _json(folder / "VG-SGG-dicts-with-attri.json"), _json(folder / "image_data.json")
    objects, predicates = (
        {int(i): _name(n) for n, i in tables[f"{kind}_to_idx"].items()} for kind in ("label", "predicate")
    )
    with h5py.File(folder / "VG-SGG-with-attri.h5", "r") as file:
        arrays = {key: file[key][()] for key in VG_ARRAYS}  # others may be damaged: no graph is made of them
    labels, relations, named = (arrays[key].reshape(-1) for key in ("labels", "relationships", "predicates"))
    relations = relations.reshape(-1, 2)
    graph = []
    for i, image in enumerate(info):
        scale = max(image["width"], image["height"]) / 1024
        first, last = (int(np.ravel(arrays[f"img_to_{end}_rel"])[i]) for end in ("first", "last"))
        for r in range(first, last + 1) if first >= 0 else ():
            ends = []
            for row in map(int, relations[r]):
                cx, cy, w, h = (int(v) for v in arrays["boxes_1024"].reshape(-1, 4)[row])
                x, y = int(cx - w / 2), int(cy - h / 2)
                ends += [objects[int(labels[row])], _box(np.array([x, y, x + w, y + h]) / 1024 * (scale * 1024))]
            number = _whole(image["image_id"])
            name = (
                image.get("file_name") or f"{image['image_id'] if isinstance(image['image_id'], str) else number}.jpg"
            )
            graph.append((name, *ends[:2], predicates[int(named[r])], *ends[2:]))
    return graph


def json_predictions(folder: Path) -> list[tuple]:
    """(image, boxes, labels, scores, pairs, probabilities, annotated relations) of a prediction file."""
    found = []
    for number, image in enumerate(_json(folder / "p.json")["images"]):
        truth = image.get("groundtruth") or {}
        values = [image[key] for key in ("boxes", "labels", "scores", "pairs", "predicate_scores")]
        relations = truth.get("relations", [])
        found.append(
            (
                str(_whole(image.get("image_id", number))),
                *(np.float32(v).ravel().tolist() for v in (*values, relations)),
            )
        )
    return found


def npz_predictions(folder: Path) -> list[tuple]:
    """The same of the npz form."""
    with np.load(folder / "p.npz") as file:
        arrays = {name: file[name] for name in file.files}
    boxes = np.cumsum([0, *np.ravel(arrays["n_pred_boxes"])]).astype(int)
    pairs = np.cumsum([0, *np.ravel(arrays["n_pred_rels"])]).astype(int)
    truths = (
        np.cumsum([0, *np.ravel(arrays["n_gt_rels"])]).astype(int) if "n_gt_boxes" in arrays else np.zeros_like(pairs)
    )
    found = []
    for i in range(len(boxes) - 1):
        rows = [arrays[key][boxes[i] : boxes[i + 1]] for key in ("pred_boxes", "pred_labels", "pred_scores")]
        rows += [arrays[key][pairs[i] : pairs[i + 1]] for key in ("rel_pair_idxs", "pred_rel_scores")]
        rows.append(
            arrays["gt_rels"][truths[i] : truths[i + 1]] if "gt_rels" in arrays and "n_gt_boxes" in arrays else []
        )
        image = arrays["image_ids"][i].item() if "image_ids" in arrays else i
        found.append((str(_whole(image)), *(np.float32(v).ravel().tolist() for v in rows)))
    return found
