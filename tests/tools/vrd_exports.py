"""VRD's photographs and annotations in the forms in which people have their own data."""

import json
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.data.image_files import image_size


class Photographs:
    """For each of the 70: size, boxes x, y, width, height, their labels, and relations by rows."""

    def __init__(self, folder: Path) -> None:
        read = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("objects", "predicates")}
        self.classes, self.predicates = read["objects"], read["predicates"]
        annotations = json.loads((folder / "annotations_test.json").read_text())
        self.images: list[dict[str, Any]] = []
        for path in sorted((folder / "images").iterdir()):
            rows: dict[tuple, int] = {}
            relations = []
            for relation in annotations[path.name]:
                ends = [(tuple(relation[end]["bbox"]), relation[end]["category"]) for end in ("subject", "object")]
                relations.append((*(rows.setdefault(end, len(rows)) for end in ends), relation["predicate"]))
            boxes = [(x1, y1, x2 - x1 + 1, y2 - y1 + 1) for (y1, y2, x1, x2), _ in rows]
            image = {
                "name": path.name,
                "size": image_size(path),
                "boxes": boxes,
                "labels": [label for _, label in rows],
            }
            self.images.append({**image, "relations": relations})

    def triplets(self) -> list[tuple[str, str, str, str]]:
        """(photograph, subject class, object class, predicate) of every relation, sorted."""
        return sorted(
            (image["name"], *(self.classes[image["labels"][end]] for end in ends), self.predicates[predicate])
            for image in self.images
            for *ends, predicate in image["relations"]
        )

    def label_studio(self) -> list[dict[str, Any]]:
        """An export of uploaded pictures."""
        return [
            {
                "id": number,
                "data": {"image": f"/data/upload/3/{number:08x}-{image['name']}"},
                "annotations": [{"id": number, "was_cancelled": False, "result": self._results(image)}],
            }
            for number, image in enumerate(self.images)
        ]

    def _results(self, image: dict[str, Any]) -> list[dict[str, Any]]:
        width, height = image["size"]
        results = []
        for row, ((x, y, w, h), label) in enumerate(zip(image["boxes"], image["labels"], strict=True)):
            percent = {
                "x": 100 * x / width,
                "y": 100 * y / height,
                "width": 100 * w / width,
                "height": 100 * h / height,
            }
            value = {**percent, "rotation": 0, "rectanglelabels": [self.classes[label]]}
            shape = {"original_width": width, "original_height": height, "image_rotation": 0}
            results.append({"id": f"r{row}", "type": "rectanglelabels", **shape, "value": value})
        for turn, (subject, object_, predicate) in enumerate(image["relations"]):
            ends = {"from_id": f"r{subject}", "to_id": f"r{object_}", "direction": "right"}
            if turn % 2:
                ends = {"from_id": f"r{object_}", "to_id": f"r{subject}", "direction": "left"}
            results.append({"type": "relation", **ends, "labels": [self.predicates[predicate]]})
        return results

    def coco(self) -> dict[str, Any]:
        """One file with its relations in it."""
        images, annotations, relations = [], [], []
        for number, image in enumerate(self.images):
            width, height = image["size"]
            images.append({"id": number, "file_name": image["name"], "width": width, "height": height})
            first = len(annotations)
            for box, label in zip(image["boxes"], image["labels"], strict=True):
                annotation = {"id": len(annotations), "image_id": number, "category_id": label, "bbox": list(box)}
                annotations.append(annotation)
            for subject, object_, predicate in image["relations"]:
                ends = {"subject_id": first + subject, "object_id": first + object_}
                relations.append({"image_id": number, **ends, "predicate_id": predicate})
        return {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for number, name in enumerate(self.classes)],
            "rel_annotations": relations,
            "rel_categories": [{"id": number, "name": name} for number, name in enumerate(self.predicates)],
        }

    def write_yolo(self, folder: Path) -> None:
        """Text files, classes.txt and relations.csv."""
        folder.mkdir()
        (folder / "classes.txt").write_text("\n".join(self.classes) + "\n")
        table = ["file,subject,predicate,object"]
        for image in self.images:
            width, height = image["size"]
            stem = Path(image["name"]).stem
            lines = [
                f"{label} {(x + w / 2) / width!r} {(y + h / 2) / height!r} {w / width!r} {h / height!r}"
                for (x, y, w, h), label in zip(image["boxes"], image["labels"], strict=True)
            ]
            (folder / f"{stem}.txt").write_text("\n".join(lines) + "\n")
            table += [f"{stem},{s},{self.predicates[p]},{o}" for s, o, p in image["relations"]]
        (folder / "relations.csv").write_text("\n".join(table) + "\n")
