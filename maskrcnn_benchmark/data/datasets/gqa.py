"""GQA-200: 200 object classes and 100 predicates (SHA-GCL, Dong et al., CVPR 2022)."""

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.datasets.records import ImageRecord, read_json, source_from_records
from maskrcnn_benchmark.data.datasets.source import TEST, TRAIN, AnnotationSource
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

_LISTS = ("filenames_all", "img_info_all", "gt_boxes_all", "gt_classes_all", "relationships_all")


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """
    The annotations of a catalog entry of kind "gqa": five parallel lists, an entry an image.

    An entry whose boxes are all zero is left out, as the published loader does (test: 2315749.jpg).

    Raises:
        UserError: lists that are missing or of different lengths, or values that cannot be.
    """
    info_file, file = entry.files["info"], entry.files["annotations"]
    info, content = read_json(info_file, dict), read_json(file, dict)
    for path, where, keys in ((file, content, _LISTS), (info_file, info, ("ind_to_classes", "ind_to_predicates"))):
        if not all(isinstance(where.get(key), list) for key in keys):
            raise UserError(f"{path}: expected the lists {', '.join(keys)}, found {', '.join(where) or 'nothing'}")
    lengths = {key: len(content[key]) for key in _LISTS}
    if len(set(lengths.values())) != 1:
        raise UserError(f"{file}: its lists must be equally long, found {lengths}")
    mark = TEST if entry.split == "test" else TRAIN
    try:
        records = [
            ImageRecord(name, size["width"], size["height"], boxes, labels, relations, mark)
            for name, size, boxes, labels, relations in zip(*(content[key] for key in _LISTS), strict=True)
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{file}: every entry of img_info_all needs width and height ({type(error).__name__}: {error})") from error
    usable = [record for record in records if not record.boxes or any(map(any, record.boxes))]
    if len(usable) < len(records):
        logger.info("%s: %d of %d entries have only boxes of zeros and are left out", file, len(records) - len(usable), len(records))
    return source_from_records(file, usable, objects=info["ind_to_classes"], predicates=info["ind_to_predicates"])
