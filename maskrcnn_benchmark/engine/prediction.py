"""From images to scene graphs with a trained checkpoint, which is all that is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.samplers import canvas_groups
from maskrcnn_benchmark.data.transforms import resize_image, resized_shape
from maskrcnn_benchmark.engine.description import described_model
from maskrcnn_benchmark.engine.prediction_input import as_boxes, as_image, as_picture
from maskrcnn_benchmark.engine.start import load_content
from maskrcnn_benchmark.engine.step import autocast
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import best_foreground
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import on_cpu
from maskrcnn_benchmark.utils.device import resolve_device
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import read_file
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph


class SceneGraphModel:
    """
    A trained model for images outside any data set.

    What a caller gives decides what is sought: nothing (objects and relations), boxes (their classes and relations), or
    boxes and labels (relations). A relation model trained in SGDet or SGCls takes all three; one trained in PredCls has
    never refined labels, so what is not given comes from the detector in its checkpoint. A detector's checkpoint gives
    objects alone.

    Attributes:
        objects, predicates: names, background first; no predicates of a detector.
        task: what the relation model was trained for; None: a detector.
        config: the model's, frozen. name: what it is called in messages.
        terms: names of the terms that a relation's score is made of; empty for models that have none.
    """

    def __init__(
        self, cfg: Config, meta: DatasetMeta, model: nn.Module, *, name: str = "model", has_detector: bool = True
    ):
        """
        Args:
            cfg: the model's config. meta: its vocabulary.
            model: as build_detection_model makes it, weights loaded, on its device.
            name: in messages.
            has_detector: RPN and box head of a relation model are trained ones.
        """
        self.config, self.name = cfg, name
        self._meta, self._has_detector = meta, has_detector
        self._models = {model.task: model.eval()}
        self.task: Task | None = model.task
        self.objects = meta.objects
        self.predicates = meta.predicates if self.task is not None else ()
        self.device = next(model.parameters()).device
        self.terms = () if self.task is None else model.roi_heads.relation.predictor.term_names

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str | torch.device | None = None) -> SceneGraphModel:
        """
        The model of a checkpoint that this package's training wrote; no other file is read.

        Args:
            device: such as "cpu" or "cuda:1"; None: a GPU where there is one.
        Raises:
            UserError: the file is missing, damaged, lacks weights, or does not say what model it is of.
        """
        place = resolve_device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
        content = read_file(path)
        cfg, meta = described_model(content, str(path))
        model = build_detection_model(cfg, meta)
        load_content(cfg, model, content, str(path), meta)
        return cls(cfg, meta, model.to(place), name=str(path), has_detector=content.get("detector") is not False)

    @property
    def network(self) -> nn.Module:
        """The model itself, in evaluation, for the task that it was trained for."""
        return self._models[self.task]

    def predict(
        self,
        image: Any,
        *,
        boxes: Any = None,
        labels: Any = None,
        max_relations: int | None = 100,
        min_score: float = 0.0,
        terms: bool = False,
        batch_size: int = 1,
    ) -> SceneGraph | list[SceneGraph]:
        """
        Args:
            image: path, PIL image, (h, w, 3) uint8 array or (3, h, w) uint8 tensor, RGB; or a list of such. Files and
                PIL images are turned upright as their EXIF orientation says.
            boxes: (n, 4) xyxy in pixels of the upright image; with a list of images a list of such.
            labels: n names or numbers of classes; with a list of images a list of such. They need boxes.
            max_relations: that many of the best; None: every pair's.
            min_score: smallest triplet score (predicate x subject x object) of a relation.
            terms: tell of each relation what its logit is made of (such as base, structural, visual, conceptual).
            batch_size: images worked on together; images that the network sees on different canvases never are, so that
                a graph does not depend on what it was asked for with.
        Returns:
            A graph in pixels of the image, or a list of them, in the order of the images.
        Raises:
            UserError: an image, box or label that cannot be used, or something that this checkpoint cannot do; names
                it.
        """
        if not 0 <= min_score <= 1:
            raise UserError(f"min_score must be from 0 to 1, found {min_score}")
        if max_relations is not None and max_relations < 0:
            raise UserError(f"max_relations must be at least 0, or None for all, found {max_relations}")
        if not isinstance(image, (list, tuple)):
            one = {"boxes": None if boxes is None else [boxes], "labels": None if labels is None else [labels]}
            return self.predict([image], **one, max_relations=max_relations, min_score=min_score, terms=terms)[0]
        names = [f"image {one if isinstance(one, (str, Path)) else i}" for i, one in enumerate(image)]
        task = self.task_for(boxes=boxes is not None, labels=labels is not None, terms=terms)
        for what, values in (("boxes", boxes), ("labels", labels)):
            if values is not None and len(values) != len(image):
                counts = f"{len(image)} images came with {len(values)} entries"
                raise UserError(f"{what}: {counts}; give a list with one per image")
        pixels = [as_image(*one) for one in zip(image, names, strict=True)]
        given = None
        if boxes is not None:
            several = zip(pixels, boxes, [None] * len(boxes) if labels is None else labels, names, strict=True)
            given = [as_boxes(own, classes, _size(one), self.objects, name) for one, own, classes, name in several]
        results = self.results(pixels, given, task, terms=terms, batch_size=batch_size)
        made = zip(results, pixels, image, strict=True)
        options = {"max_relations": max_relations, "min_score": min_score}
        return [self.graph(result, _size(own), image=as_picture(one, own), **options) for result, own, one in made]

    def graph(self, result: BoxList, size: tuple[int, int], **options: Any) -> SceneGraph:
        """The graph of one of `results`, in an image of (width, height) `size`; options as SceneGraph.from_result."""
        return SceneGraph.from_result(result, self.objects, self.predicates, size=size, **options)

    def results(
        self,
        images: Sequence[Tensor],
        given: Sequence[BoxList] | None,
        task: Task | None,
        *,
        terms: bool = False,
        batch_size: int = 1,
    ) -> list[BoxList]:
        """
        Args:
            images: (3, h, w) uint8 RGB.
            given: boxes in the frame of their image; with `labels` in PredCls. None where nothing is given.
            task: what they leave to be found; None of a detector.
            terms, batch_size: as in predict.
        Returns:
            The model's results on the CPU, each in the frame of the network's input.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UserError(f"batch_size must be a whole number of at least 1, found {batch_size}")
        inputs, cfg = self.config.INPUT, self.config
        sizes = [resized_shape(*_size(image), inputs.MIN_SIZE_TEST, inputs.MAX_SIZE_TEST) for image in images]
        canvases = canvas_groups(sizes, cfg.DATALOADER.SIZE_DIVISIBILITY)
        found: dict[int, BoxList] = {}
        for canvas in np.unique(canvases):
            rows = np.flatnonzero(canvases == canvas).tolist()
            for start in range(0, len(rows), batch_size):
                batch = rows[start : start + batch_size]
                ready = [resize_image(images[row], sizes[row]) for row in batch]
                targets = None if given is None else [given[row].resize(sizes[row]) for row in batch]
                # Mixed precision is for the GPU that it was trained on.
                with torch.no_grad(), autocast(self.device, cfg.DTYPE if self.device.type == "cuda" else "float32"):
                    found |= zip(batch, on_cpu(self._run(ready, targets, task, terms)), strict=True)
        return [found[row] for row in range(len(images))]

    def task_for(self, *, boxes: bool, labels: bool, terms: bool = False) -> Task | None:
        """What is left to be found where boxes, or boxes and labels, are given. UserError: this checkpoint cannot."""
        if labels and not boxes:
            raise UserError("labels belong to boxes: give both, boxes alone, or neither")
        if terms and not self.terms:
            raise UserError(f"{self.name}: this model's score is one number, not made of terms")
        if self.task is None:
            if boxes:
                raise UserError(f"{self.name} is a detector, which finds boxes and labels itself: give none")
            return None
        task = Task.PREDCLS if labels else Task.SGCLS if boxes else Task.SGDET
        if task is not Task.PREDCLS and not self._has_detector:
            missing = "boxes and labels" if task is Task.SGDET else "labels"
            raise UserError(
                f"{self.name} holds no detector (it was trained in {self.task} without one), so {missing} must be"
                " given; or train with MODEL.PRETRAINED_DETECTOR_CKPT"
            )
        return task

    def _run(
        self, images: Sequence[Tensor], targets: list[BoxList] | None, task: Task | None, terms: bool
    ) -> list[BoxList]:
        if task is None:
            return self._model(None)(images)
        fills_in = self.task is Task.PREDCLS and task is not Task.PREDCLS
        model = self._model(Task.PREDCLS if fills_in else task)
        with model.roi_heads.relation.showing_terms(terms):
            return self._filled_in(model, images, targets, task) if fills_in else model(images, targets)

    def _filled_in(
        self, model: nn.Module, images: Sequence[Tensor], targets: list[BoxList] | None, task: Task
    ) -> list[BoxList]:
        """A PredCls model's relations of what its detector finds, with the detector's scores."""
        regions, entities, scores = self._model(task).regions(images, targets), [], []
        for boxes in regions.entities:
            probabilities = boxes.get_field("predict_logits").float().softmax(dim=1)
            found = boxes.has_field("pred_labels")
            labels = boxes.get_field("pred_labels") if found else best_foreground(probabilities)
            entities.append(boxes.copy_with_fields())
            entities[-1].add_field("labels", labels)
            scores.append(probabilities.gather(1, labels[:, None])[:, 0])
        results, _ = model.roi_heads.relation(regions.with_entities(entities))
        for result, own in zip(results, scores, strict=True):
            result.add_field("pred_scores", own)
        return results

    def _model(self, task: Task | None) -> nn.Module:
        """The model for a task; those beside the checkpoint's own share its weights."""
        if task not in self._models:
            cfg = self.config.clone()
            cfg.defrost()
            head = cfg.MODEL.ROI_RELATION_HEAD
            head.USE_GT_BOX, head.USE_GT_OBJECT_LABEL = task.uses_gt_boxes, task.uses_gt_labels
            cfg.freeze()
            model = build_detection_model(cfg, self._meta).to(self.device)
            model.load_state_dict(self._models[self.task].state_dict(), assign=True)
            self._models[task] = model.eval()
        return self._models[task]


def _size(image: Tensor) -> tuple[int, int]:
    return image.size(2), image.size(1)
