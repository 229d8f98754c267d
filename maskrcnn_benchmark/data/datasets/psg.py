"""PSG, Panoptic Scene Graphs (Yang et al., ECCV 2022), boxes only: 133 object classes and 56 predicates."""

from pathlib import Path

from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Format, Published
from maskrcnn_benchmark.data.datasets.records import ImageRecord, source_from_records
from maskrcnn_benchmark.data.datasets.source import TEST, TRAIN, AnnotationSource
from maskrcnn_benchmark.data.findings import WARNING, found
from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.untrusted import ANY, IDENTIFIER, fields, read_json

_KEYS = ("data", "thing_classes", "stuff_classes", "predicate_classes", "test_image_ids")


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """The annotations of a catalog entry of kind "psg": OpenPSG's psg.json for all splits, boxes xyxy, ids from 0."""
    file = entry.files["annotations"]
    data, things, stuff, predicates, test_ids = fields(read_json(file, dict), str(file), **dict.fromkeys(_KEYS, list))
    test = {image_number(image_id, f"{file}, test_image_ids[{i}]") for i, image_id in enumerate(test_ids)}
    records, numbers = [], []
    for position, image in enumerate(data):
        where = f"{file}, data[{position}]"
        image_id, name, width, height, items, relations = fields(
            image, where, image_id=IDENTIFIER, file_name=ANY, width=ANY, height=ANY, annotations=list, relations=list
        )
        pairs = [
            fields(item, f"{where}, annotations[{row}]", bbox=ANY, category_id=ANY) for row, item in enumerate(items)
        ]
        numbers.append(image_number(image_id, f"{where}: image_id"))
        mark = TEST if numbers[-1] in test else TRAIN
        boxes, labels = [box for box, _ in pairs], [label for _, label in pairs]
        records.append(ImageRecord(name, width, height, boxes, labels, relations, mark, image_id))
    strangers = sorted(test.difference(numbers))
    said = "test_image_ids of images that the file does not have"
    return source_from_records(
        file,
        records,
        objects=vocabulary([*things, *stuff], f"{file}, thing_classes and stuff_classes"),
        predicates=vocabulary(predicates, f"{file}, predicate_classes"),
        first_id=0,
        findings=found(WARNING, said, map(str, strangers[:3]), len(strangers)),
    )


def _files(folder: Path, split: str) -> dict[str, Path]:  # noqa: ARG001 (one file for all splits)
    return {"images": folder.parent / "coco", "annotations": folder / "psg.json"}


FORMAT = Format(
    name="psg", files=_files, read=read_entry, published=(Published(stem="psg", folder="psg", num_val=1000),)
)
