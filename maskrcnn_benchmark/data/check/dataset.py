"""Looks over all splits of a data set by its name or folder."""

from pathlib import Path

import numpy as np

from maskrcnn_benchmark.data.build import read_source
from maskrcnn_benchmark.data.check.annotations import check_annotations
from maskrcnn_benchmark.data.check.images import check_images
from maskrcnn_benchmark.data.check.report import Report, SplitSummary
from maskrcnn_benchmark.data.datasets import AnnotationSource, split_rows
from maskrcnn_benchmark.data.datasets.catalog import find_entries
from maskrcnn_benchmark.data.datasets.format import DatasetEntry
from maskrcnn_benchmark.data.findings import ERROR, NOTE, WARNING
from maskrcnn_benchmark.utils.errors import UserError


def check_dataset(target: str, *, thorough: bool = False) -> Report:
    """
    Looks a data set over.

    Args:
        target: a folder (`datasets/vg`), a data set's name (`scenes`, `GQA_200`) or that of one of its splits
            (`GQA_200_test`).
        thorough: decode every image, which finds damage inside them; otherwise headers and ends of files are looked at.
    Raises:
        UserError: there is no such data set.
    """
    entries = find_entries(target)
    report = Report(next(iter(entries.values())).name.rpartition("_")[0])
    sources: dict[Path, AnnotationSource] = {}
    for split, entry in entries.items():
        report.files |= {
            f"{what} ({split})" if what == "annotations" else what: str(path) for what, path in entry.files.items()
        }
        source = _read(entry, sources, report)
        if source is not None:
            _summarise(report, split, entry, source)
    for file, source in sources.items():
        check_annotations(report, source, prefix=f"{file.name}: " if len(sources) > 1 else "")
    if sources:
        _check_vocabularies(report, list(sources.values()))
        _check_splits(report, list(sources.values()))
        check_images(report, list(sources.values()), next(iter(entries.values())).files["images"], thorough=thorough)
    return report


def _read(entry: DatasetEntry, sources: dict[Path, AnnotationSource], report: Report) -> AnnotationSource | None:
    """The annotations of a split, read once where splits share a file; None, with a finding, where they cannot be."""
    file = entry.files["annotations"]
    if file in sources:
        return sources[file]
    missing = [str(path) for path in entry.files.values() if not path.exists()]
    if missing:
        report.add(ERROR, f"{entry.name}: missing files; DATASET.md says where to get what", missing)
    if any(not path.exists() for what, path in entry.files.items() if what != "images"):
        return None
    try:
        sources[file] = read_source(entry, say_findings=False)
    except UserError as error:
        if str(error) not in {finding.what for finding in report.findings}:
            report.add(ERROR, str(error))
        return None
    return sources[file]


def _summarise(report: Report, split: str, entry: DatasetEntry, source: AnnotationSource) -> None:
    report.objects, report.predicates = source.objects, source.predicates
    rows = split_rows(source, split, num_val=entry.num_val, with_relations=False, may_be_empty=True)
    if len(rows) == 0:
        level, so = (ERROR, ", so there is nothing to train on") if split == "train" else (NOTE, "")
        report.add(level, f"split '{split}' has no image with a box{so}")
        return
    annotations = source.annotations.take(rows)
    report.splits[split] = SplitSummary(
        images=len(rows),
        images_with_relations=int((annotations.rel_counts > 0).sum()),
        boxes=len(annotations.boxes),
        relations=len(annotations.relations),
        object_counts=np.bincount(annotations.labels, minlength=len(source.objects)),
        predicate_counts=np.bincount(annotations.relations[:, 2], minlength=len(source.predicates)),
    )


def _check_splits(report: Report, sources: list[AnnotationSource]) -> None:
    """Images that several files have: what is trained on says nothing of what was learned."""
    for i, other in enumerate(sources[1:], start=1):
        for first in sources[:i]:
            names = {first.file_name(image) for image in range(len(first.image_ids))}
            names &= {other.file_name(image) for image in range(len(other.image_ids))}
            report.add(WARNING, f"images that {first.file.name} and {other.file.name} both have", sorted(names))


def _check_vocabularies(report: Report, sources: list[AnnotationSource]) -> None:
    first = sources[0]
    for other in sources[1:]:
        for kind in ("objects", "predicates"):
            if getattr(first, kind) != getattr(other, kind):
                report.add(ERROR, f"{first.file.name} and {other.file.name} name different {kind}, or in another order")
    if "train" not in report.splits:
        return
    for what, kind, names in (
        ("classes", "object_counts", report.objects),
        ("predicates", "predicate_counts", report.predicates),
    ):
        untrained = [i for i in range(1, len(names)) if getattr(report.splits["train"], kind)[i] == 0]
        report.add(WARNING, f"{what} without a training example", [names[i] for i in untrained])
        for split, summary in report.splits.items():
            unseen = [names[i] for i in untrained if getattr(summary, kind)[i] > 0]
            report.add(WARNING, f"{what} of split '{split}' that training never shows", unseen)
