"""Data sets, their facts and loaders from a config."""

from typing import Any

import numpy as np
import torch

from maskrcnn_benchmark.config.task import Task
from maskrcnn_benchmark.data.datasets import AnnotationSource, SceneGraphDataset, split_rows
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.datasets.format import DatasetEntry
from maskrcnn_benchmark.data.findings import WARNING
from maskrcnn_benchmark.data.loader import EvaluationLoader, TrainingLoader
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.names import sided
from maskrcnn_benchmark.data.samplers import EvaluationBatchSampler, TrainingBatchSampler, aspect_groups, canvas_groups
from maskrcnn_benchmark.data.statistics import TrainingStatistics, cache_file, count_relations, load_cached, store
from maskrcnn_benchmark.data.transforms import Transform, resized_shape
from maskrcnn_benchmark.data.zeroshot import read_triplets, unseen_triplets
from maskrcnn_benchmark.utils.distributed import rank, world_size
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)


def read_source(entry: DatasetEntry, *, statistics_only: bool = False, say_findings: bool = True) -> AnnotationSource:
    """
    The annotations of a catalog entry.

    Args:
        statistics_only: sizes and ids of images are not needed.
        say_findings: log what was left out or is odd; False: the caller tells it.
    Raises:
        UserError: files that are missing or damaged.
    """
    entry.require_files("images")
    source = entry.format.read(entry, statistics_only)
    for finding in source.findings if say_findings else ():
        text = f"{source.file}: {finding.sentence()}"
        if finding.level == WARNING:
            warn_once(logger, text)
        else:
            logger.info("%s", text)
    return source


def training_statistics(name: str) -> TrainingStatistics:
    """
    Names, relation counts and distinct triplets of a data set's training split, by its catalog name, from output/cache
    if nothing changed.

    Raises:
        UserError: files that are missing or damaged.
    """
    entry = dataset_entry(name)
    uncounted = "images", "image_data"
    entry.require_files(*uncounted)
    files = [path for what, path in sorted(entry.files.items()) if what not in uncounted]
    settings = {"kind": entry.format.name, "split": entry.split, "num_val": entry.num_val}
    cache = cache_file(name, files, settings)
    statistics = load_cached(cache)
    if statistics is None:
        statistics = _count(read_source(entry, statistics_only=True), entry)
        store(cache, statistics)
    return statistics


def _count(source: AnnotationSource, entry: DatasetEntry) -> TrainingStatistics:
    rows = split_rows(source, entry.split, num_val=entry.num_val, with_relations=True, may_be_empty=True)
    annotations = source.annotations.take(rows)
    sizes = len(source.objects), len(source.predicates)
    fg, bg = count_relations(annotations, *sizes, overlapping=source.overlapping_statistics)
    meta = DatasetMeta(source.objects, source.predicates, source.attributes, fg, bg, source.predicate_totals)
    return TrainingStatistics(meta, annotations.distinct_triplets())


def load_dataset_meta(cfg: Any) -> DatasetMeta:
    """
    Names and training statistics of the training data set that cfg names.

    Raises:
        UserError: no training data set or several, or missing files.
    """
    return training_statistics(training_name(cfg)).meta


def require_names(cfg: Any, name: str) -> None:
    """UserError if a data set to evaluate on, its names in a file of its own, has others than the training data."""
    entry = dataset_entry(name)
    if entry.names_file != dataset_entry(training_name(cfg)).names_file:
        source = read_source(entry, statistics_only=True, say_findings=False)
        check_names(cfg, source, load_dataset_meta(cfg), name)


def check_names(cfg: Any, found: DatasetMeta | AnnotationSource, expected: DatasetMeta, name: str) -> None:
    """UserError if a data set's names are not those that the model is trained on, in the same order."""
    for what in ("objects", "predicates") if cfg.MODEL.RELATION_ON else ("objects",):
        have, want = getattr(found, what), getattr(expected, what)
        if have != want:
            differ = [f"{i}: {a!r} for {b!r}" for i, (a, b) in enumerate(zip(have, want, strict=False)) if a != b]
            raise UserError(
                f"data set {name} has {len(have)} {what}, the model {len(want)}, and they"
                f" differ{' at ' + '; '.join(differ[:3]) if differ else ''}: evaluate on a data set with the training"
                " data's dictionary"
            )


def training_name(cfg: Any) -> str:
    """The one data set of DATASETS.TRAIN."""
    if len(cfg.DATASETS.TRAIN) != 1:
        raise UserError(
            f"DATASETS.TRAIN must name one data set, found {tuple(cfg.DATASETS.TRAIN)}; tools/make_dataset.py joins"
            " several"
        )
    return cfg.DATASETS.TRAIN[0]


def build_dataset(cfg: Any, name: str, *, training: bool, task: Task | None) -> SceneGraphDataset:
    """
    A data set by its catalog name.

    Args:
        training: random sizes and mirroring, one relation per pair, no empty boxes; False: the whole ground truth.
        task: None for detector work, which keeps images without a relation.
    Raises:
        UserError: files that are missing or damaged, image files included unless DATASETS.SKIP_MISSING_IMAGES.
    """
    entry = dataset_entry(name)
    entry.require_files()
    dataset = SceneGraphDataset(
        read_source(entry),
        entry.split,
        image_dir=entry.files["images"],
        num_val=entry.num_val,
        with_relations=task is not None,
        training=training,
        require_overlap=task is Task.SGDET and cfg.MODEL.ROI_RELATION_HEAD.REQUIRE_BOX_OVERLAP,
        transform=Transform.from_config(cfg, training=training),
        seed=cfg.SEED,
        skip_missing=cfg.DATASETS.SKIP_MISSING_IMAGES,
    )
    if not cfg.DATASETS.SKIP_MISSING_IMAGES:
        dataset.require_image_files()
    if training and task is not None:
        _warn_about_mirroring(cfg, dataset.meta)
    return dataset


def _warn_about_mirroring(cfg: Any, meta: DatasetMeta) -> None:
    if cfg.MODEL.FLIP_AUG:
        warn_once(logger, "MODEL.FLIP_AUG does nothing; INPUT.HORIZONTAL_FLIP_PROB_TRAIN mirrors training images")
    wrong = sided(meta.predicates)
    if wrong and cfg.INPUT.HORIZONTAL_FLIP_PROB_TRAIN > 0:
        warn_once(
            logger,
            f"INPUT.HORIZONTAL_FLIP_PROB_TRAIN is {cfg.INPUT.HORIZONTAL_FLIP_PROB_TRAIN}, but mirroring makes wrong"
            f" examples of {', '.join(wrong)}; set it to 0 for this data set",
        )


def make_data_loader(
    cfg: Any, split: str, *, task: Task | None, name: str | None = None, sampler_state: dict[str, Any] | None = None
) -> TrainingLoader | EvaluationLoader:
    """
    A loader of this process's share of a data set.

    Args:
        split: "train": endless training batches of SOLVER.IMS_PER_BATCH over all processes, in the order of (SEED,
            epoch); "val" or "test": one pass, TEST.IMS_PER_BATCH over all processes, images of one canvas a batch.
        task: None for detector work.
        name: one of the data sets that DATASETS names for the split; None: its only one.
        sampler_state: `batch_sampler.state_dict()` of an earlier run, to go on after its last batch.
    Returns:
        An iterable of Batch with `.dataset` and `.batch_sampler`.
    """
    names = tuple(cfg.DATASETS[split.upper()])
    if name is None:
        if len(names) != 1:
            raise UserError(f"DATASETS.{split.upper()} must name one data set here, found {names}")
        name = names[0]
    training = split == "train"
    dataset = build_dataset(cfg, name, training=training, task=task)
    on_cuda = str(cfg.MODEL.DEVICE).startswith("cuda") and torch.cuda.is_available()
    loading = cfg.DATALOADER
    options = {"num_workers": loading.NUM_WORKERS, "timeout": loading.TIMEOUT, "pin_memory": on_cuda}
    if not training:
        batch_size = cfg.TEST.IMS_PER_BATCH // world_size()
        limits = cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST
        sizes = [resized_shape(*size, *limits) for size in dataset.sizes().tolist()]
        canvases = canvas_groups(sizes, loading.SIZE_DIVISIBILITY)
        sampler = EvaluationBatchSampler(canvases, batch_size, rank=rank(), world_size=world_size())
        return EvaluationLoader(dataset, sampler, **options)
    groups = aspect_groups(dataset.sizes(), loading.ASPECT_RATIO_GROUPING)
    sampler = TrainingBatchSampler(
        groups, cfg.SOLVER.IMS_PER_BATCH, seed=cfg.SEED, rank=rank(), world_size=world_size()
    )
    if sampler_state is not None:
        sampler.load_state_dict(sampler_state)
    return TrainingLoader(dataset, sampler, **options)


def zeroshot_triplets(cfg: Any, dataset: SceneGraphDataset) -> np.ndarray:
    """
    Triplets of a test or val data set that zero-shot recall counts.

    Those of the file that DATASETS.ZEROSHOT_FILE names; without one, those that the training split of DATASETS.TRAIN
    does not have.

    Returns:
        (t, 3) int64 subject class, object class, predicate.
    """
    if cfg.DATASETS.ZEROSHOT_FILE:
        meta = dataset.meta
        return read_triplets(
            cfg.DATASETS.ZEROSHOT_FILE, num_classes=meta.num_classes, num_predicates=meta.num_predicates
        )
    return unseen_triplets(dataset.triplets(), training_statistics(training_name(cfg)).triplets)
