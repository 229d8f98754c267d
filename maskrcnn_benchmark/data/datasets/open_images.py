"""Open Images V6 with relations, in the release of PySGG (BGNN, Li et al., CVPR 2021)."""

from pathlib import Path

from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Format, Published
from maskrcnn_benchmark.data.datasets.records import ImageRecord, source_from_records
from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS, AnnotationSource
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import fields, read_json, shown


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """The annotations of a catalog entry of kind "openimages", whose files count classes and predicates from 0."""
    categories_file, file = entry.files["categories"], entry.files["annotations"]
    names = fields(read_json(categories_file, dict), str(categories_file), obj=list, rel=list)
    objects, predicates = (
        vocabulary(values, f"{categories_file}, {key}") for key, values in zip(("obj", "rel"), names, strict=True)
    )
    records = []
    for position, image in enumerate(read_json(file, list)):
        where = f"{file}, entry {position} (from 0)"
        name, size, labels, boxes, relations = fields(
            image, where, img_fn=str, img_size=list, det_labels=list, bbox=list, rel=list
        )
        if len(size) != 2:
            raise UserError(f"{where}: img_size must be [width, height], found {shown(size)}")
        records.append(ImageRecord(f"{name}.jpg", *size, boxes, labels, relations, SPLIT_MARKS[entry.split], name))
    return source_from_records(file, records, objects=objects, predicates=predicates, first_id=0)


def _files(folder: Path, split: str) -> dict[str, Path]:
    annotations = folder / "annotations"
    return {
        "images": folder / "images",
        "categories": annotations / "categories_dict.json",
        "annotations": annotations / f"vrd-{split}-anno.json",
    }


FORMAT = Format(
    name="openimages",
    files=_files,
    read=read_entry,
    names_file="categories",
    published=(Published(stem="openimage_v6", folder="openimages/open_image_v6"),),
    evaluators=frozenset({"open_images"}),
)
