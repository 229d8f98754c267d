"""
Evaluating a model on a data set, streaming: an image's predictions are reduced to what the metrics need and dropped.

Under torchrun each process takes its share of the images; every process returns the figures that one alone would.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.build import check_names, make_data_loader, zeroshot_triplets
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.loader import EvaluationLoader
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.proposals import ProposalCollector
from maskrcnn_benchmark.engine.feature_cache import with_feature_cache
from maskrcnn_benchmark.engine.run import Run
from maskrcnn_benchmark.engine.step import autocast
from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.evaluation.files import EVALUATION_FILE, SCORES_FILE
from maskrcnn_benchmark.evaluation.predictions import PredictionWriter
from maskrcnn_benchmark.evaluation.relation_scores import RelationScores, groundtruth_arrays, prediction_arrays
from maskrcnn_benchmark.evaluation.table import metrics_table
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import on_cpu
from maskrcnn_benchmark.utils.distributed import all_gather_objects, barrier, is_main_process, rank
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_json
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.visualization.panel import agreement, side_by_side
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

logger = get_logger(__name__)
# Relations in a picture of a validation image.
RELATIONS = 12
# What may look at each image of an evaluation: data set, index, prediction, ground truth.
Observer = Callable[[SceneGraphDataset, int, BoxList, BoxList], None]


class ValidationPictures:
    """
    An observer of an evaluation. `pictures` of its first images, (h, w, 3) uint8 RGB by image id: boxes, and beside
    them the best relations, with a tick where one is in the ground truth.
    """

    def __init__(self, meta: DatasetMeta, limit: int):
        self.meta, self.limit = meta, limit
        self.pictures: dict[int, np.ndarray] = {}

    def __call__(self, dataset: SceneGraphDataset, index: int, result: BoxList, groundtruth: BoxList) -> None:
        item = dataset[index] if len(self.pictures) < self.limit else None
        if item is None:  # there are enough, or the image file is missing
            return
        names = (self.meta.objects, self.meta.predicates)
        graph = SceneGraph.from_result(result, *names, max_relations=RELATIONS)
        marks = agreement(graph, SceneGraph.from_ground_truth(groundtruth, *names))
        image_id = groundtruth.get_field("image_id")
        pixels = item[0].permute(1, 2, 0).numpy()
        self.pictures[image_id] = side_by_side(pixels, graph, marks=marks, title=f"image {image_id}", height=400)


def evaluate(
    cfg: Config,
    model: nn.Module,
    run: Run,
    split: str,
    meta: DatasetMeta,
    *,
    weights: str | Path | None = None,
    observe: Observer | None = None,
) -> dict[str, dict[str, Any]]:
    """
    Evaluates on each data set that DATASETS names for a split, writes OUTPUT_DIR/inference/<data set>/metrics.json and
    logs a table.

    Args:
        split: "train", "val" or "test".
        meta: vocabulary and statistics of the training data.
        weights: the file that the model's weights are from; None: they are those of a training as it stands.
        observe: called with each image of this process's share, of a relation model's first data set.
    Returns:
        metrics.json's dict by data set, the same in every process.
    Raises:
        UserError: no data set is named, its files are missing, or its vocabulary is not the model's.
    """
    names = tuple(cfg.DATASETS[split.upper()])
    if not names:
        raise UserError(f"DATASETS.{split.upper()} names no data set to evaluate on")
    results = {}
    for name in names:
        loader = make_data_loader(cfg, split, task=model.task, name=name)
        check_names(cfg, loader.dataset.meta, meta, name)
        watch = partial(observe, loader.dataset) if observe is not None and name == names[0] else None
        loader = with_feature_cache(cfg, model, loader, name)
        logger.info(f"evaluating on {name}: {len(loader.dataset)} images")
        folder = run.output_dir / "inference" / name
        started = time.perf_counter()
        if cfg.MODEL.RELATION_ON:
            results[name] = evaluate_relations(cfg, model, loader, meta, name=name, folder=folder, observe=watch)
        else:
            results[name] = evaluate_detection(cfg, model, loader, meta, folder=folder)
        if is_main_process():
            write_json(folder / "metrics.json", results[name])
            facts = {
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "weights": None if weights is None else str(weights),
                "seconds": round(time.perf_counter() - started, 2),
                "predictions": bool(cfg.MODEL.RELATION_ON and cfg.TEST.SAVE_PREDICTIONS),
                "terms": list(model.roi_heads.relation.predictor.term_names) if cfg.MODEL.RELATION_ON else [],
            }
            write_json(folder / EVALUATION_FILE, facts)
            table = metrics_table(results[name]) if cfg.MODEL.RELATION_ON else _detection_line(results[name])
            logger.info(f"{name}, {folder / 'metrics.json'}:\n{table}")
    return results


def evaluate_relations(
    cfg: Config,
    model: nn.Module,
    loader: EvaluationLoader,
    meta: DatasetMeta,
    *,
    name: str,
    folder: Path,
    observe: Callable[[int, BoxList, BoxList], None] | None = None,
) -> dict[str, Any]:
    """
    metrics.json's dict of a relation model over one pass of a loader, FREQ and, for SGDet, AP50 included.

    Args:
        name: the data set's in the catalog.
        folder: gets the counts, SCORES_FILE; TEST.SAVE_PREDICTIONS writes the predictions of each process to
            `predictions/<rank>.npz`.
        observe: called with index, prediction and ground truth of each image.
    """
    task = Task.from_cfg(cfg)
    zeroshot = zeroshot_triplets(cfg, loader.dataset)
    scores = RelationScores.of_training(
        task,
        meta,
        zeroshot_triplets=zeroshot,
        iou_threshold=cfg.TEST.RELATION.IOU_THRESHOLD,
        rel_nms=cfg.TEST.RELATION.REL_NMS,
        open_images="open_images" in dataset_entry(name).format.evaluators,
    )
    with ExitStack() as stack:
        writer = None
        if cfg.TEST.SAVE_PREDICTIONS:
            path = _prediction_path(folder / "predictions")
            facts = {"predicates": meta.predicates, "objects": meta.objects, "train_counts": meta.predicate_counts()}
            facts |= {"terms": model.roi_heads.relation.predictor.term_names, "zeroshot_triplets": zeroshot}
            stack.enter_context(model.roi_heads.relation.showing_terms())
            writer = stack.enter_context(PredictionWriter(path, mode=str(task), dataset=name, **facts))
        for index, result, target in predictions(cfg, model, loader):
            if observe is not None:
                observe(index, result, target)
            prediction, groundtruth = prediction_arrays(result), groundtruth_arrays(target)
            scores.update(prediction, groundtruth, image_id=index)
            if writer is not None:
                writer.add(target.get_field("image_id"), prediction, groundtruth)
    together = merged(scores)
    if is_main_process():
        with atomic_path(folder / SCORES_FILE) as temporary:
            torch.save(together.model.state_dict(), temporary)
    return together.summary()


def _prediction_path(folder: Path) -> Path:
    """This process's file, once the files of earlier evaluations are gone, of which there may be more."""
    if is_main_process():
        for old in folder.glob("*.npz"):
            old.unlink()
    barrier()
    return folder / f"{rank():04d}.npz"


def evaluate_detection(
    cfg: Config, model: nn.Module, loader: EvaluationLoader, meta: DatasetMeta, *, folder: Path
) -> dict[str, Any]:
    """
    AP, AP50, AP75 and AR of a detector over one pass of a loader.

    Args:
        folder: TEST.SAVE_PROPOSALS writes the detections to its `proposals.npz`, which DATASETS.PROPOSALS can name.
    """
    evaluator, collector = DetectionEvaluator(meta.objects), ProposalCollector()
    for index, result, annotation in predictions(cfg, model, loader):
        labels, scores = result.get_field("pred_labels"), result.get_field("pred_scores")
        found = {"boxes": result.bbox, "labels": labels, "scores": scores}
        evaluator.update(found, {"boxes": annotation.bbox, "labels": annotation.get_field("labels")}, image_id=index)
        if cfg.TEST.SAVE_PROPOSALS:
            collector.add(annotation.get_field("image_id"), result)
    if cfg.TEST.SAVE_PROPOSALS:
        collector = merged(collector)
        if is_main_process():
            file = folder / "proposals.npz"
            collector.write(file)
            logger.info(f"{len(collector.images)} images' detections, for DATASETS.PROPOSALS: {file}")
    return {"mode": "detection", **merged(evaluator).summary()}


def predictions(cfg: Config, model: nn.Module, loader: EvaluationLoader) -> Iterator[tuple[int, BoxList, BoxList]]:
    """
    (index, prediction, annotation) of each image of this process's share, both on the CPU and in the frame of the
    annotation (image_data's width and height). The model is put into evaluation mode.
    """
    device = next(model.parameters()).device
    model.eval()
    started, images = time.perf_counter(), 0
    for batch in progress(loader, total=len(loader), desc="evaluating", unit="batch"):
        batch = batch.to(device, non_blocking=True)
        with torch.no_grad(), autocast(device, cfg.DTYPE):
            results = model(batch.images, batch.targets if model.needs_targets else None)
        for result, index in zip(on_cpu(results), batch.indices, strict=True):
            truth = loader.dataset.get_groundtruth(index)
            yield index, result.resize(truth.size), truth
        images += len(batch)
    if images:
        seconds = time.perf_counter() - started
        logger.info(f"{images} images in {seconds:.1f} s, {seconds / images:.3f} s per image")


def _detection_line(metrics: dict[str, Any]) -> str:
    figures = [f"{key} {100 * value:.2f} %" for key, value in metrics.items() if isinstance(value, float)]
    return f"{metrics['images']} images: {', '.join(figures)}"


def merged(own: Any) -> Any:
    """The evaluators of all processes as one, in the order of the processes, so that every process gets the same."""
    first, *others = all_gather_objects(own)
    for other in others:
        first.merge(other)
    return first
