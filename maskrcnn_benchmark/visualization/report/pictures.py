"""Pictures of the report: test images with their predicted graphs, as data URLs."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from maskrcnn_benchmark.evaluation.predictions import PredictionFile, SavedImage
from maskrcnn_benchmark.evaluation.ranking import top
from maskrcnn_benchmark.evaluation.saved import Annotations
from maskrcnn_benchmark.structures.scene_graph import SceneGraph, SceneObject, SceneRelation
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.visualization.panel import agreement, side_by_side

logger = get_logger(__name__)
SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
RELATIONS_A_PICTURE = 14


@dataclass(frozen=True)
class Picture:
    """A picture for the page: `source` is a data URL."""

    title: str
    source: str


def run_pictures(folder: Path, dataset: str, limit: int) -> list[Picture]:
    """
    Pictures of one evaluation: those in OUTPUT_DIR/pictures if there are any, else drawn from its saved predictions.

    Args:
        folder: OUTPUT_DIR.
        dataset: the catalog name, and the folder under inference/.
        limit: how many at most.
    Returns:
        None at all, with the reason in the log, where there are neither pictures nor predictions, or the images are
        missing.
    """
    found = folder.glob("pictures/*")
    ready = sorted(path for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    if ready:
        return [
            Picture(path.stem.replace("_", " "), _data_url(path.read_bytes(), path.suffix.lower()))
            for path in ready[:limit]
        ]
    saved = folder / "inference" / dataset / "predictions"
    if not saved.is_dir():
        logger.info(
            f"no pictures: neither {folder / 'pictures'} nor {saved} is there; TEST.SAVE_PREDICTIONS True writes"
            " predictions"
        )
        return []
    try:
        return list(islice(drawn(PredictionFile(saved), Annotations(dataset)), limit))
    except UserError as error:
        logger.warning(f"no pictures: {error}")
        return []


def drawn(file: PredictionFile, annotations: Annotations) -> Iterator[Picture]:
    """
    One picture an image: its boxes, and its best relations as rows, with a tick where one is annotated.

    Raises:
        UserError: no names in the file, an image that the data set lacks, a missing image file.
    """
    objects = file.objects or annotations.meta.objects
    predicates = file.predicates or annotations.meta.predicates
    for image in file:
        pixels = annotations.image(image.image_id)
        size = (pixels.shape[1], pixels.shape[0])
        truth = image.groundtruth or {key: value.numpy() for key, value in annotations[image.image_id].items()}
        annotated = annotated_graph(truth, size, objects, predicates)
        graph = predicted_graph(image, size, objects, predicates, max_relations=RELATIONS_A_PICTURE)
        picture = side_by_side(
            pixels, graph, marks=agreement(graph, annotated), title=f"image {image.image_id}", height=380
        )
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
        yield Picture(f"image {image.image_id}", _data_url(encoded.tobytes(), ".jpg"))


def predicted_graph(
    image: SavedImage,
    size: tuple[int, int],
    objects: tuple[str, ...],
    predicates: tuple[str, ...],
    *,
    max_relations: int,
) -> SceneGraph:
    """The best relations of a saved prediction, one predicate a pair, as a graph over an image of (width, height)."""
    found = image.prediction
    best = found["predicate_scores"][:, 1:].argmax(axis=1) + 1
    scores = found["predicate_scores"][np.arange(len(best)), best] * found["scores"][found["pairs"]].prod(axis=1)
    things = [
        SceneObject(tuple(box), objects[label], score)
        for box, label, score in zip(
            found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
        )
    ]
    relations = [
        SceneRelation(*found["pairs"][row].tolist(), predicates[best[row]], float(scores[row]))
        for row in top(scores, max_relations)
    ]
    return SceneGraph(size, things, relations)


def annotated_graph(
    truth: dict[str, np.ndarray], size: tuple[int, int], objects: tuple[str, ...], predicates: tuple[str, ...]
) -> SceneGraph:
    """The annotation of an image as a graph."""
    boxes, labels = truth["boxes"].tolist(), truth["labels"].tolist()
    things = [SceneObject(tuple(box), objects[label]) for box, label in zip(boxes, labels, strict=True)]
    return SceneGraph(size, things, [SceneRelation(s, o, predicates[p]) for s, o, p in truth["relations"].tolist()])


def _data_url(content: bytes, suffix: str) -> str:
    return f"data:image/{SUFFIXES[suffix]};base64,{base64.b64encode(content).decode()}"
