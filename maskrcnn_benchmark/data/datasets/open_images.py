"""Open Images V6 with relations, in the release of PySGG (BGNN, Li et al., CVPR 2021)."""

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.datasets.records import ImageRecord, read_json, source_from_records
from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS, AnnotationSource, with_background
from maskrcnn_benchmark.utils.errors import UserError


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """
    The annotations of a catalog entry of kind "openimages". The files count classes and predicates from 0; here from 1.

    Raises:
        UserError: entries without one of img_fn, img_size, bbox, det_labels and rel, or values that cannot be.
    """
    categories_file, file = entry.files["categories"], entry.files["annotations"]
    categories = read_json(categories_file, dict)
    if not all(isinstance(categories.get(key), list) for key in ("obj", "rel")):
        raise UserError(f"{categories_file}: expected the lists 'obj' and 'rel', found {', '.join(categories) or 'nothing'}")
    records = []
    for position, image in enumerate(read_json(file, list)):
        try:
            width, height = image["img_size"]
            labels = [label + 1 for label in image["det_labels"]]
            relations = [(subject, object_, predicate + 1) for subject, object_, predicate in image["rel"]]
            records.append(ImageRecord(f"{image['img_fn']}.jpg", width, height, image["bbox"], labels, relations, SPLIT_MARKS[entry.split]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{file}, entry {position} (from 0): needs img_fn, img_size, bbox, det_labels and rel as PySGG has them "
                f"({type(error).__name__}: {error})"
            ) from error
    return source_from_records(
        file, records, objects=with_background(categories["obj"]), predicates=with_background(categories["rel"])
    )
