"""Which form annotations are in, and COCO's: the others have a module each."""

from collections.abc import Iterator
from pathlib import Path

from maskrcnn_benchmark.data.custom.label_studio import is_label_studio, read_label_studio
from maskrcnn_benchmark.data.custom.plain import Given
from maskrcnn_benchmark.data.custom.yolo import read_yolo
from maskrcnn_benchmark.data.datasets import coco
from maskrcnn_benchmark.data.datasets.format import DatasetEntry
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.untrusted import read_json, shown

logger = get_logger(__name__)

_CURE = "name a JSON file of annotations, or a folder of YOLO's text files"


def read_annotations(source: Path, image_dir: Path, relations: str | Path | None = None) -> Iterator[Given]:
    """
    The images of one file or folder of annotations, in the plain form.

    Args:
        source: a plain list (plain.py), a Label Studio export, COCO's json with relations, or a folder of YOLO boxes.
        image_dir: where the images lie.
        relations: CSV of relations between YOLO's boxes; None: relations.csv in that folder, if there is one.
    Raises:
        UserError: no such file, or none of these forms.
    """
    if source.is_dir():
        return read_yolo(source, image_dir, Path(relations) if relations else None)
    if relations:
        raise UserError(f"{source}: --relations names the relations of a folder of YOLO boxes, and this is a file")
    content = read_json(source, object, _CURE)
    if isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys():
        return _read_coco(source, image_dir)
    if not isinstance(content, list):
        raise UserError(
            f"{source}: expected a JSON list of images, or COCO's object with images, annotations, categories,"
            f" rel_annotations and rel_categories; found {shown(content)}"
        )
    if is_label_studio(content):
        return read_label_studio(source, content, image_dir)
    return ((f"{source}, entry {position} (from 0)", entry) for position, entry in enumerate(content))


def _read_coco(file: Path, image_dir: Path) -> Iterator[Given]:
    """A file named train.json, val.json or test.json says the split, as a COCO folder has it."""
    split = file.stem if file.stem in SPLITS else None
    files = {"images": image_dir, "annotations": file}
    if file.with_name("rel.json").exists():
        files["relations"] = file.with_name("rel.json")
    entry = DatasetEntry(name=file.stem, format=coco.FORMAT, split=split or "train", files=files)
    source = coco.read_entry(entry, statistics_only=False)
    for finding in source.findings:
        logger.warning("%s: %s", file, finding.sentence())
    flat = source.annotations
    for image in range(flat.num_images):
        boxes = slice(flat.box_start[image], flat.box_start[image + 1])
        rows = flat.relations[flat.rel_start[image] : flat.rel_start[image + 1]].tolist()
        pairs = zip(flat.boxes[boxes].tolist(), flat.labels[boxes].tolist(), strict=True)
        entry = {
            "file": source.file_name(image),
            "image_id": int(source.image_ids[image]),
            "objects": [{"box": box, "label": source.objects[label]} for box, label in pairs],
            "relations": [[subject, source.predicates[predicate], object_] for subject, object_, predicate in rows],
            "split": split,
        }
        yield f"{file}, images[{image}]", entry
