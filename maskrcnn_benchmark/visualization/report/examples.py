"""The best and the worst images of an evaluation: what was found, what was missed, what was made up, and why."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskrcnn_benchmark.evaluation import SceneGraphEvaluator, matching
from maskrcnn_benchmark.evaluation.inputs import GroundTruth, Prediction
from maskrcnn_benchmark.evaluation.predictions import PredictionFile, SavedImage
from maskrcnn_benchmark.evaluation.ranking import RankedPairs, rank_pairs, top
from maskrcnn_benchmark.evaluation.saved import DatasetGroundTruth, Names, check_names
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.visualization.draw import draw_labels, object_names
from maskrcnn_benchmark.visualization.report.layout import lay_out
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph, SceneObject
from maskrcnn_benchmark.visualization.text import color_of

logger = get_logger(__name__)

# Predictions of an image that count here, for ordering images and as what is shown of one.
RANKED = 20
# Pixels of the longer side of a picture in the page.
SIDE = 640


def examples(folder: Path, dataset: str, metrics: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """
    Images with the highest and the lowest recall among their best predictions, best ones first, as the page's script
    takes them; nothing, with the reason in the log, where predictions are not there or cannot be used.

    Args:
        folder: OUTPUT_DIR, with the predictions that TEST.SAVE_PREDICTIONS keeps.
        dataset: the catalog name, and the folder under inference/.
        metrics: of this evaluation: mode and choices are as there.
        limit: how many at most, half of either kind.
    """
    saved = folder / "inference" / dataset / "predictions"
    if not saved.is_dir():
        logger.info(f"no images: {saved} is not there; TEST.SAVE_PREDICTIONS True writes predictions")
        return []
    try:
        file = PredictionFile(saved)
        if not (file.predicates and file.objects):
            logger.warning(f"no images: {saved} lacks the names of predicates or objects")
            return []
        return _examples(file, dataset, metrics, limit)
    except UserError as error:
        logger.warning(f"no images: {error}")
        return []


def _examples(file: PredictionFile, dataset: str, metrics: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    choices = metrics.get("choices", {})
    iou_threshold, rel_nms = choices.get("iou_threshold", 0.5), choices.get("rel_nms") or None
    evaluator = SceneGraphEvaluator(
        metrics["mode"], file.num_predicates, iou_threshold=iou_threshold, rel_nms=bool(rel_nms)
    )
    groundtruths = _groundtruths(dataset)
    if not file.has_groundtruth:
        if groundtruths is None:
            return []
        check_names(Names.of_file(file), Names.of_data_set(groundtruths.name, groundtruths.meta))

    def annotated(image: SavedImage) -> SavedImage:
        has_its_own = image.groundtruth is not None
        return image if has_its_own else replace(image, groundtruth=groundtruths[image.image_id])

    for image in map(annotated, progress(file, total=len(file.image_ids), desc="best and worst images", unit="image")):
        evaluator.update(image.prediction, image.groundtruth, image_id=image.image_id)
    kind_of = _extremes(evaluator, limit)
    told = {}
    for image in map(annotated, file):
        if image.image_id in kind_of:
            graph = _relations(image, file, metrics["mode"], iou_threshold, rel_nms)
            picture = _picture(image, graph["nodes"], groundtruths)
            told[image.image_id] = {"kind": kind_of[image.image_id], **picture, **graph}
    return [told[image_id] for image_id in kind_of]


def _extremes(evaluator: SceneGraphEvaluator, limit: int) -> dict[int | str, str]:
    """
    "best" and "worst" by image id, best ones first. Of images with the same recall, those with more relations are
    shown; images without relations are neither.
    """
    order = np.arange(len(evaluator.image_ids))
    found, total = (table.sum(axis=1) for table in evaluator.tally().table("rank", RANKED, False, order))
    related = np.flatnonzero(total)
    recall = found[related] / total[related]
    best = related[np.lexsort((-total[related], -recall))][: (limit + 1) // 2]
    worst = related[np.lexsort((-total[related], recall))]
    worst = worst[~np.isin(worst, best)][: limit // 2]
    names = [*((row, "best") for row in best), *((row, "worst") for row in worst)]
    return {evaluator.image_ids[row]: kind for row, kind in names}


def _groundtruths(dataset: str) -> DatasetGroundTruth | None:
    try:
        return DatasetGroundTruth(dataset)
    except UserError as error:
        logger.warning(f"no pictures, and no ground truth but what the predictions hold: {error}")
        return None


def _picture(image: SavedImage, nodes: list[dict[str, Any]], groundtruths: DatasetGroundTruth | None) -> dict[str, Any]:
    """The image's name, size and picture with the nodes' names as a data URL, None where it cannot be read."""
    boxes = np.concatenate([image.prediction["boxes"], image.groundtruth["boxes"]])
    width, height = (boxes[:, 2:].max(axis=0, initial=1) + 1).tolist()
    told = {"name": f"image {image.image_id}", "source": None, "width": width, "height": height}
    if groundtruths is None:
        return told
    try:
        told["name"] = groundtruths.image_name(image.image_id)
        pixels = groundtruths.image(image.image_id)
    except UserError as error:
        logger.warning(f"an image without its picture: {error}")
        return told
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    named = SceneGraph((width, height), [SceneObject(node["box"], node["name"]) for node in nodes])
    shown = draw_labels(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), named)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return told | {
        "source": f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}", "width": width, "height": height
    }  # fmt: skip


def _relations(
    image: SavedImage, file: PredictionFile, mode: str, iou_threshold: float, nms_threshold: float | None
) -> dict[str, Any]:
    """
    Objects as "nodes", relations as "edges" between them: a "hit" is predicted and in the ground truth, a "false" one
    predicted alone, a "miss" in the ground truth alone. How many relations the ground truth has, and how many of them
    were found.
    """
    gt = GroundTruth.read(image.groundtruth, file.num_predicates)
    found = Prediction.read(image.prediction, file.num_predicates, given=gt if mode == "predcls" else None)
    nodes = _Nodes(file.objects, found)
    same = matching.same_objects(gt, found, iou_threshold)
    edges: list[dict[str, Any]] = []
    was_found, taken_for = np.zeros(len(gt.relations), dtype=bool), [{} for _ in gt.relations]
    if len(found.pairs):
        ranked = rank_pairs(found, nms_threshold)
        order = top(ranked.scores, len(ranked.scores))
        best = order[:RANKED]
        on_pair = matching.pair_hits(same, gt.relations[:, :2], ranked.pairs[order])  # (r, m)
        hits = on_pair[:, : len(best)] & (gt.relations[:, 2:] == ranked.predicates[best])
        was_found = hits.any(axis=1)
        edges = _predicted(ranked, best, hits.any(axis=0), nodes, file, image.prediction.get("terms"))
        taken_for = [
            {} if place < 0 else {"taken_for": file.predicates[ranked.predicates[order[place]]], "rank": int(place) + 1}
            for place in matching.first_hits(on_pair, -1)
        ]
    for relation, known, instead in zip(gt.relations.tolist(), was_found.tolist(), taken_for, strict=True):
        if not known:
            subject, object_ = (nodes.of_groundtruth(end, gt, same) for end in relation[:2])
            predicate = file.predicates[relation[2]]
            miss = {"kind": "miss", "subject": subject, "object": object_, "predicate": predicate}
            edges.append(miss | {"score": None, "terms": None, "taken_for": None} | instead)
    told = nodes.told()
    lay_out(told, edges)
    return {"nodes": told, "edges": edges, "found": int(was_found.sum()), "relations": len(was_found)}


def _predicted(
    ranked: RankedPairs,
    rows: np.ndarray,
    is_hit: np.ndarray,
    nodes: "_Nodes",
    file: PredictionFile,
    terms: np.ndarray | None,
) -> list[dict[str, Any]]:
    """The edges of the predictions in these rows (d,), of which (d,) are hits; terms (m, T) of all, if told."""
    edges = []
    for row, hit in zip(rows.tolist(), is_hit.tolist(), strict=True):
        subject, object_ = ranked.pairs[row].tolist()
        # Terms are those of the pair's most probable predicate, which rel_nms may have taken from it.
        known = terms is not None and ranked.predicates[row] == ranked.best[row]
        edges.append(
            {
                "kind": "hit" if hit else "false",
                "subject": nodes.predicted(subject),
                "object": nodes.predicted(object_),
                "predicate": file.predicates[ranked.predicates[row]],
                "score": round(float(ranked.scores[row]), 4),
                "taken_for": None,
                "terms": dict(zip(file.terms, np.round(terms[row], 3).tolist(), strict=True)) if known else None,
            }
        )
    return edges


class _Nodes:
    """The objects that an image's shown relations are between, numbered as they come."""

    def __init__(self, objects: tuple[str, ...], found: Prediction) -> None:
        self._objects, self._found = objects, found
        self._number: dict[tuple[str, int], int] = {}
        self._things: list[SceneObject] = []

    def predicted(self, row: int) -> int:
        """The number of a predicted object."""
        return self._add("predicted", row, self._found.boxes[row], self._found.labels[row])

    def of_groundtruth(self, row: int, gt: GroundTruth, same: np.ndarray) -> int:
        """The number of a ground-truth object: of its prediction, where `same` (n, m) has one, else its own."""
        if same[row].any():
            overlap = matching.overlaps(gt.boxes[row], self._found.boxes)
            return self.predicted(int(np.where(same[row], overlap, -1).argmax()))
        return self._add("ground truth", row, gt.boxes[row], gt.labels[row])

    def _add(self, whose: str, row: int, box: np.ndarray, label: int) -> int:
        number = self._number.setdefault((whose, row), len(self._things))
        if number == len(self._things):
            self._things.append(SceneObject(tuple(np.round(box, 1).tolist()), self._objects[label]))
        return number

    def told(self) -> list[dict[str, Any]]:
        """Name (numbered where a class repeats), box, colour, and whose each is."""
        names = object_names(SceneGraph((1, 1), self._things))
        return [
            {"name": name, "box": thing.box, "color": "#{:02x}{:02x}{:02x}".format(*color_of(number)), "of": whose}
            for number, (name, thing, (whose, _)) in enumerate(zip(names, self._things, self._number, strict=True))
        ]
