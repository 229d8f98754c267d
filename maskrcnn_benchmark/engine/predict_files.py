"""Scene graphs of many pictures, as files: what tools/predict.py does once its command line is read."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from maskrcnn_benchmark.engine.cli import GRAPH_FILES
from maskrcnn_benchmark.engine.picture_sources import Picture
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.engine.prediction_input import as_boxes, as_image, why_left_out
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.visualization import draw_graph, draw_nodes, write_graph, write_picture
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

logger = get_logger(__name__)


@dataclass
class Prediction:
    """
    Attributes:
        output: folder of the results.
        formats: words of cli.GRAPH_FILES.
        filters: keyword arguments of SceneGraph.filtered.
        given: boxes, and perhaps labels, by path or file name of an image; None: nothing is given.
        batch: pictures that are read, and worked on where their canvases agree, together.
        drawn: relations in a picture, the most.
        terms: as SceneGraphModel.predict.
    """

    model: SceneGraphModel
    output: Path
    formats: Sequence[str] = ("json", "jpg")
    filters: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Mapping[str, list]] | None = None
    batch: int = 1
    drawn: int = 12
    terms: bool = False

    def run(self, found: Iterable[Picture], total: int | None) -> int:
        """Predicts and writes; what cannot be used is named and left out. Returns how many graphs were written."""
        labelled = self.given is not None and all("labels" in entry for entry in self.given.values())
        task = self.model.task_for(boxes=self.given is not None, labels=labelled, terms=self.terms)
        written, seen, started = 0, 0, time.perf_counter()
        with progress(total=total, desc="predicting", unit="picture") as bar:
            for batch in _batches(found, self.batch):
                usable = [ready for picture in batch if (ready := self._read(picture)) is not None]
                pixels, given = [ready[1] for ready in usable], [ready[2] for ready in usable]
                boxes = None if self.given is None else given
                results = self.model.results(pixels, boxes, task, terms=self.terms, batch_size=self.batch)
                for (picture, image, _), result in zip(usable, results, strict=True):
                    graph = self.model.graph(result, (image.size(2), image.size(1)), image=picture.name)
                    self._write(picture, image, graph.filtered(**self.filters))
                    written += 1
                seen += len(batch)
                bar.update(len(batch))
        seconds = (time.perf_counter() - started) / max(1, written)
        logger.info(
            f"{written} of {seen} pictures predicted, {seconds:.2f} s each, into {self.output}; {seen - written}"
            " left out"
        )
        return written

    def _read(self, picture: Picture) -> tuple[Picture, Tensor, BoxList | None] | None:
        """The picture, its pixels and what is given for it; None, with a warning, where it cannot be worked on."""
        try:
            if isinstance(picture.image, UserError):
                raise picture.image
            pixels = as_image(picture.image, f"image {picture.name}")
            size = pixels.size(2), pixels.size(1)
            return picture, pixels, None if self.given is None else self._given(picture, size)
        except UserError as error:
            logger.warning(f"left out: {why_left_out(error)}")
            return None

    def _given(self, picture: Picture, size: tuple[int, int]) -> BoxList:
        entry = self.given.get(picture.name, self.given.get(Path(picture.name).name))
        if entry is None:
            raise UserError(
                f"image {picture.name}: no boxes are given for it, neither under this path nor under its file name"
            )
        return as_boxes(entry["boxes"], entry.get("labels"), size, self.model.objects, f"image {picture.name}")

    def _write(self, picture: Picture, pixels: Tensor, graph: SceneGraph) -> None:
        for name in self.formats:
            path = self.output / (picture.stem + GRAPH_FILES[name])
            if name == "jpg":
                background = pixels.permute(1, 2, 0).contiguous().numpy()
                write_picture(path, draw_graph(background, graph, max_relations=self.drawn))
            elif name == "graph":
                write_picture(path, draw_nodes(graph, max_relations=self.drawn))
            else:
                write_graph(path, graph)


def require_other_folder(output: Path, sources: Iterable[Path | int]) -> None:
    """UserError where results could take the place of what they are made from."""
    place = output.resolve()
    for source in sources:
        if isinstance(source, Path) and source.parent.resolve() == place:
            raise UserError(
                f"--output {output} is the folder of {source.name}, which results could overwrite: name another one"
            )


def _batches(found: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    found = iter(found)
    while batch := list(itertools.islice(found, size)):
        yield batch
