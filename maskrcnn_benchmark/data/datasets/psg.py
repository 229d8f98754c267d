"""PSG, Panoptic Scene Graphs (Yang et al., ECCV 2022), boxes only: 133 object classes and 56 predicates."""

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.datasets.records import ImageRecord, read_json, source_from_records
from maskrcnn_benchmark.data.datasets.source import TEST, TRAIN, AnnotationSource, with_background
from maskrcnn_benchmark.utils.errors import UserError

_KEYS = ("data", "thing_classes", "stuff_classes", "predicate_classes", "test_image_ids")


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """
    The annotations of a catalog entry of kind "psg": OpenPSG's psg.json, one file for all splits, boxes xyxy, ids from 0.

    Raises:
        UserError: keys that are missing, or values that cannot be.
    """
    file = entry.files["annotations"]
    content = read_json(file, dict)
    missing = [key for key in _KEYS if not isinstance(content.get(key), list)]
    if missing:
        raise UserError(f"{file}: no list {', '.join(missing)}; found {', '.join(content) or 'nothing'}")
    test = {str(image_id) for image_id in content["test_image_ids"]}
    records = []
    for position, image in enumerate(content["data"]):
        try:
            boxes = [item["bbox"] for item in image["annotations"]]
            labels = [item["category_id"] + 1 for item in image["annotations"]]
            relations = [(subject, object_, predicate + 1) for subject, object_, predicate in image["relations"]]
            mark = TEST if str(image["image_id"]) in test else TRAIN
            records.append(ImageRecord(image["file_name"], image["width"], image["height"], boxes, labels, relations, mark))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{file}, data {position} (from 0): needs image_id, file_name, width, height, relations and annotations with bbox and "
                f"category_id ({type(error).__name__}: {error})"
            ) from error
    objects = with_background([*content["thing_classes"], *content["stuff_classes"]])
    return source_from_records(file, records, objects=objects, predicates=with_background(content["predicate_classes"]))
