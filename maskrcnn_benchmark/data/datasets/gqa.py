"""GQA-200: 200 object classes and 100 predicates (SHA-GCL, Dong et al., CVPR 2022)."""

from pathlib import Path

from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Format, Published
from maskrcnn_benchmark.data.datasets.records import ImageRecord, source_from_records
from maskrcnn_benchmark.data.datasets.source import TEST, TRAIN, AnnotationSource
from maskrcnn_benchmark.data.findings import NOTE, found
from maskrcnn_benchmark.data.names import check_table, vocabulary
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import ANY, fields, read_json, shown

_LISTS = ("filenames_all", "img_info_all", "gt_boxes_all", "gt_classes_all", "relationships_all")


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """
    The annotations of a catalog entry of kind "gqa": five parallel lists, one entry per image.

    An entry whose boxes are all zero is left out, as the published loader does (test: 2315749.jpg).
    """
    info_file, file = entry.files["info"], entry.files["annotations"]
    info, content = read_json(info_file, dict), read_json(file, dict)
    lists = fields(content, str(file), **dict.fromkeys(_LISTS, list))
    names = fields(info, str(info_file), ind_to_classes=list, ind_to_predicates=list)
    objects, predicates = (
        vocabulary(values, f"{info_file}, {key}", with_background=True)
        for key, values in zip(("ind_to_classes", "ind_to_predicates"), names, strict=True)
    )
    for what, key, known in (("obj", "ind_to_classes", objects), ("rel", "ind_to_predicates", predicates)):
        # Tables that may stand beside the lists.
        back, ahead = f"{what}_id_to_name", f"{what}_name_to_id"
        by_id, by_name = fields({back: {}, ahead: {}} | info, str(info_file), **{back: dict, ahead: dict})
        check_table(known, key, by_id.items(), back, info_file)
        check_table(known, key, ((str(index), name) for name, index in by_name.items()), ahead, info_file)
    lengths = dict(zip(_LISTS, map(len, lists), strict=True))
    if len(set(lengths.values())) != 1:
        raise UserError(f"{file}: its lists must be equally long, found {lengths}")
    mark = TEST if entry.split == "test" else TRAIN
    records = []
    for position, (name, size, *rows) in enumerate(zip(*lists, strict=True)):
        width, height = fields(size, f"{file}, img_info_all[{position}] of image {shown(name)}", width=ANY, height=ANY)
        records.append(ImageRecord(name, width, height, *rows, mark))
    empty = [record.name for record in records if _only_zeros(record.boxes)]
    usable = [record for record in records if not _only_zeros(record.boxes)]
    findings = found(NOTE, "images whose boxes are all zeros, left out", map(shown, empty))
    return source_from_records(file, usable, objects=objects, predicates=predicates, findings=findings)


def _only_zeros(boxes: object) -> bool:
    return isinstance(boxes, list) and len(boxes) > 0 and all(box == [0, 0, 0, 0] for box in boxes)


def _files(folder: Path, split: str) -> dict[str, Path]:
    # Val is cut from the training file, so that no choice is made on test images.
    annotations = folder / ("GQA_200_Test.json" if split == "test" else "GQA_200_Train.json")
    return {"images": folder / "images", "info": folder / "GQA_200_ID_Info.json", "annotations": annotations}


FORMAT = Format(
    name="gqa",
    files=_files,
    read=read_entry,
    names_file="info",
    published=(Published(stem="GQA_200", folder="gqa", num_val=5000),),
)
