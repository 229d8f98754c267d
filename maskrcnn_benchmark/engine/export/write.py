"""From a checkpoint to a file for other programs, written after it gave what the model gives on other inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.transforms import resize_image, resized_shape
from maskrcnn_benchmark.engine.description import described_model
from maskrcnn_benchmark.engine.export import RELATION_HEAD
from maskrcnn_benchmark.engine.export.graphs import GRAPH_OUTPUTS, HEAD_OUTPUTS, HeadGraph, ImageGraph
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.layers import _extension
from maskrcnn_benchmark.layers.boxes import _box_iou_reference, _pair_masks_reference
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, temporary_folder
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.model_files import write_model
from maskrcnn_benchmark.utils.weight_files import named_tensors, read_file

logger = get_logger(__name__)

OPSET = 18
# Outputs agree within this, absolute and relative to their size.
TOLERANCE = 1e-3
Tensors = tuple[Tensor, ...]


class Export:
    """
    One part of a model as a traced program.

    Attributes:
        graph: the module that was traced: tensors in, tensors out. inputs, outputs: their names.
        program: what torch.export made of it.
        description: what a user of the file must know of the model, by name: plain JSON values.
    """

    def __init__(self, model: SceneGraphModel, part: str, image: Tensor | None = None):
        """
        Args:
            model: a relation model.
            part: one of PARTS.
            image: (3, h, w) uint8 RGB that the trace is compared with the model on; None: noise.
        Raises:
            UserError: a part that this checkpoint does not have, a predictor that cannot be followed, or outputs that
                differ from the model's.
        """
        if not _extension.BUILT:
            raise UserError(
                f"export needs the compiled ops ({_extension.WHY_NOT}): pip install --no-build-isolation -e ."
            )
        if model.task is None:
            raise UserError(f"{model.name} is a detector: a relation model is what is exported")
        network = model.network
        self.name, self.part, self._network = model.name, part, network
        self.description = describe_input(model, part)
        self.graph: HeadGraph | ImageGraph
        if part == RELATION_HEAD:
            examples = head_inputs(network, 5, 7), head_inputs(network, 4, 6)
            self.graph = HeadGraph(network.roi_heads.relation.predictor, tuple(examples[0]))
            self.outputs = HEAD_OUTPUTS
        else:
            task = Task(part)
            model.task_for(boxes=task.uses_gt_boxes, labels=task.uses_gt_labels)
            self.graph = ImageGraph(network, task)
            examples = graph_inputs(model, task, 3, None), graph_inputs(model, task, 5, image)
            self.outputs = GRAPH_OUTPUTS
        self.inputs = self.graph.inputs
        self.graph.eval()
        self.example, self.other = (tuple(example.values()) for example in examples)
        self.program = self._trace()
        self.check(self.program.module(), "the traced program")

    def _trace(self) -> ExportedProgram:
        shapes = tuple(map(_dynamic, self.inputs))
        try:
            with torch.no_grad():
                return torch.export.export(
                    self.graph,
                    self.example,
                    dynamic_shapes=(shapes,) if isinstance(self.graph, HeadGraph) else shapes,
                    strict=True,
                    prefer_deferred_runtime_asserts_over_guards=True,
                )
        except Exception as error:  # noqa: BLE001 torch.export raises what its many parts raise
            logger.debug("torch.export failed", exc_info=True)
            predictor = type(self._network.roi_heads.relation.predictor).__name__
            why = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UserError(
                f"{self.name}: {self.part} with {predictor} cannot be exported as a graph, torch.export cannot follow"
                f" it ({why}); its weights can: a target that ends in .safetensors"
            ) from error

    def check(self, form: Callable[..., Any], what: str) -> dict[str, float]:
        """
        Largest absolute difference of each output between some form of the graph and the model, on inputs that it was
        not traced with. UserError where one is beyond TOLERANCE.
        """
        with torch.no_grad():
            wanted, found = self.graph(*self.other), form(*self.other)
        differences = differences_by_name(self.outputs, wanted, found)
        large = [f"{name} (by {difference:.1e})" for name, (difference, close) in differences.items() if not close]
        if large:
            raise UserError(
                f"{self.name}: {what} of {self.part} gives other {', '.join(large)} than the model; nothing was written"
            )
        return {name: difference for name, (difference, _) in differences.items()}

    def write_program(self, path: Path) -> dict[str, float]:
        """Writes what torch.export.load reads; returns what `check` says of it."""
        with atomic_path(path) as temporary:
            torch.export.save(self.program, temporary, extra_files={"description.json": json.dumps(self.description)})
            return self.check(torch.export.load(temporary).module(), "the program")

    def write_onnx(self, path: Path) -> dict[str, float]:
        """Writes an ONNX file, beyond two gigabytes with `<name>.data` beside it; returns what `check` says of it."""
        try:
            from maskrcnn_benchmark.engine.export.onnx_ops import simplify, translations
        except ImportError as error:
            raise UserError(f"an ONNX graph needs {error.name}: pip install 'maskrcnn-benchmark[export]'") from error
        plain = {
            torch.ops.maskrcnn_benchmark.pair_masks.default: _pair_masks_reference,
            torch.ops.maskrcnn_benchmark.box_iou.default: _box_iou_reference,
        }
        made = torch.onnx.export(
            self.program.run_decompositions(plain),
            dynamo=True,
            opset_version=OPSET,
            custom_translation_table=translations(),
            input_names=list(self.inputs),
            output_names=list(self.outputs),
            optimize=False,
            verbose=False,
        )
        simplify(made.model)
        made.model.metadata_props.update({name: json.dumps(value) for name, value in self.description.items()})
        with temporary_folder(path) as folder:
            made.save(Path(folder) / path.name)
            differences = self.check(OnnxGraph(Path(folder) / path.name, self.inputs), "the ONNX graph")
            for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):  # the graph last
                os.replace(file, path.parent / file.name)
        return differences


class OnnxGraph:
    """An ONNX file as a function of tensors, run by onnxruntime on the CPU."""

    def __init__(self, path: Path, inputs: tuple[str, ...]):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.inputs = inputs
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, *tensors: Tensor) -> Tensors:
        feed = {name: tensor.numpy() for name, tensor in zip(self.inputs, tensors, strict=True)}
        return tuple(map(torch.from_numpy, self.session.run(None, feed)))


def describe_input(model: SceneGraphModel, part: str) -> dict[str, Any]:
    """Names of the classes, and how an image becomes the graph's input."""
    return {
        "part": part,
        "objects": list(model.objects),
        "predicates": list(model.predicates),
        "min_size": model.config.INPUT.MIN_SIZE_TEST,
        "max_size": model.config.INPUT.MAX_SIZE_TEST,
        "size_divisibility": model.config.DATALOADER.SIZE_DIVISIBILITY,
    }


def differences_by_name(names: tuple[str, ...], wanted: Tensors, found: Tensors) -> dict[str, tuple[float, bool]]:
    """
    Largest absolute difference of each output and whether it is within TOLERANCE; infinity where shapes differ. Pairs
    are compared in the order of their rows, since equal scores have no order.
    """
    if "pairs" in names:
        place = names.index("pairs")
        wanted, found = (by_pair(outputs, place) for outputs in (wanted, found))
    result = {}
    for name, one, other in zip(names, wanted, found, strict=True):
        if one.shape != other.shape:
            result[name] = (float("inf"), False)
            continue
        one, other = one.double(), other.double()
        difference = float((one - other).abs().max()) if one.numel() else 0.0
        result[name] = (difference, torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE))
    return result


def by_pair(outputs: Tensors, place: int) -> Tensors:
    """Outputs whose entry at `place` are pairs (m, 2), it and what follows ordered by the rows of the pairs."""
    pairs = outputs[place]
    order = (pairs[:, 0] * (len(outputs[0]) + 1) + pairs[:, 1]).argsort()
    return *outputs[:place], pairs[order], *(values[order] for values in outputs[place + 1 :])


def _dynamic(name: str) -> dict[int, Any]:
    """Which sides of an input may have another length than the example's."""
    if name == "image":
        return {1: Dim.DYNAMIC, 2: Dim.DYNAMIC}
    return {} if name == "image_size" else {0: Dim.DYNAMIC}


def on_canvas(image: Tensor, size: tuple[int, int], divisibility: int) -> Tensor:
    """(3, h, w) uint8, resized to (width, height) `size` and padded right and below to multiples of divisibility."""
    step = max(divisibility, 1)
    width, height = (-(-side // step) * step for side in size)
    canvas = image.new_zeros(3, height, width)
    canvas[:, : size[1], : size[0]] = resize_image(image, size)
    return canvas


def graph_inputs(model: SceneGraphModel, task: Task, num_entities: int, image: Tensor | None) -> dict[str, Tensor]:
    """
    What an ImageGraph takes, by name.

    Args:
        num_entities: boxes, where boxes are given; they are made up.
        image: (3, h, w) uint8 RGB; None: noise.
    """
    generator = torch.Generator().manual_seed(num_entities)
    inputs = model.config.INPUT
    if image is None:
        sides = (inputs.MIN_SIZE_TEST, inputs.MIN_SIZE_TEST * 5 // 4)[:: 1 if num_entities % 2 else -1]
        image = torch.randint(0, 256, (3, *sides), generator=generator, dtype=torch.uint8)
    size = resized_shape(image.size(2), image.size(1), inputs.MIN_SIZE_TEST, inputs.MAX_SIZE_TEST)
    canvas = on_canvas(image, size, model.config.DATALOADER.SIZE_DIVISIBILITY)
    made = {"image": canvas, "image_size": torch.tensor(size)}
    if task.uses_gt_boxes:
        made["boxes"] = _boxes(num_entities, size, generator)
    if task.uses_gt_labels:
        made["labels"] = torch.randint(1, len(model.objects), (num_entities,), generator=generator)
    return made


def head_inputs(network: nn.Module, num_entities: int, num_pairs: int) -> dict[str, Tensor]:
    """What a HeadGraph takes, by name, made up."""
    generator = torch.Generator().manual_seed(num_entities)
    relation, task = network.roi_heads.relation, network.task
    width, size = relation.union_feature_extractor.out_channels, (1000, 600)
    boxes = _boxes(num_entities, size, generator)
    classes = network.roi_heads.box.predictor.cls_score.out_features
    made = {
        "boxes": boxes,
        "image_size": torch.tensor(size),
        "pair_index": torch.randint(0, max(num_entities, 1), (num_pairs, 2), generator=generator),
        "roi_features": torch.rand(num_entities, width, generator=generator),
        "union_features": torch.rand(num_pairs, width, generator=generator),
    }
    if relation.union_feature_extractor.spatial_fc is not None:
        made["spatial_features"] = torch.rand(num_pairs, width, generator=generator)
    if task.uses_gt_labels:
        made["object_labels"] = torch.randint(1, classes, (num_entities,), generator=generator)
    else:
        made["object_logits"] = 3 * torch.randn(num_entities, classes, generator=generator)
    if not task.uses_gt_boxes:
        made["boxes_per_class"] = boxes[:, None] + 5 * torch.rand(num_entities, classes, 4, generator=generator)
    return made


def _boxes(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(count, 4) boxes inside an image of (width, height)."""
    sides = torch.tensor(size, dtype=torch.float32)
    low = torch.rand(count, 2, generator=generator) * 0.6 * sides
    return torch.cat([low, low + (0.1 + 0.3 * torch.rand(count, 2, generator=generator)) * sides], dim=1)


def write_weights(checkpoint: str | Path, target: str | Path) -> Path:
    """
    Writes the weights of a checkpoint with its config and vocabulary as .safetensors.

    Raises:
        UserError: the checkpoint cannot be read or does not say what model it is of, or the target is named otherwise.
    """
    if Path(target).suffix != ".safetensors":
        raise UserError(f"{target}: a file of weights is known by its name: end it in .safetensors")
    content = read_file(checkpoint)
    described_model(content, str(checkpoint))  # refuses what could not be read back
    weights = named_tensors(content, str(checkpoint))
    return write_model(target, weights, content, detector=content.get("detector") is not False)
