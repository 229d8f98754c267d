"""Renders the demo data set into a folder in Visual Genome's layout, with the true predicates in a file beside it."""

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS
from maskrcnn_benchmark.data.datasets.vg_layout import IMAGE_DIR, write_vg_layout
from maskrcnn_benchmark.data.scenes.annotate import annotate
from maskrcnn_benchmark.data.scenes.layout import sample_scene
from maskrcnn_benchmark.data.scenes.render import render
from maskrcnn_benchmark.data.scenes.vocabulary import ATTRIBUTES, OBJECTS, PREDICATES
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_json
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.seeding import numpy_generator

TRUTH = "true_predicates.npz"
RECIPE = "scenes.json"
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Sizes:
    """Images of each split."""

    train: int = 1000
    val: int = 100
    test: int = 1000

    @classmethod
    def of_total(cls, images: int) -> "Sizes":
        """Splits a total 10 : 1 : 10."""
        if images < 3:
            raise UserError(f"the demo data set needs at least 3 images, one for each split, {images} asked for")
        val = max(1, round(images / 21))
        train = (images - val + 1) // 2
        return cls(train, val, images - val - train)


SMALL = Sizes(400, 50, 200)


def make_image(seed: int, split: str, index: int) -> tuple[np.ndarray, dict[str, Any], np.ndarray]:
    """
    Draws one image of the data set; it depends on the three arguments alone.

    Returns:
        The picture (height, width, 3) uint8 RGB, its record for write_vg_layout (without the id), and every true
        relation (r, 4) int16: subject row, object row, true predicate, annotated predicate (0 where annotators left it
            out).
    """
    rng = numpy_generator(seed, SPLIT_MARKS[split], index)
    scene, setting = sample_scene(rng)
    picture = render(scene, setting, rng)
    annotation = annotate(scene, picture, rng)
    things = [scene.things[thing] for thing in annotation.things]
    ids = {name: position for position, name in enumerate(("", *PREDICATES))}
    rows = [(subject, object_, ids[true], ids[word]) for subject, object_, true, word in annotation.relations]
    truth = np.array(rows, np.int16).reshape(-1, 4)
    record = {
        "width": scene.width,
        "height": scene.height,
        "boxes": picture.boxes[annotation.things],
        "labels": [OBJECTS.index(thing.name) + 1 for thing in things],
        "attributes": [[ATTRIBUTES.index(word) + 1 for word in thing.attributes()] for thing in things],
        "relations": truth[truth[:, 3] > 0][:, [0, 1, 3]],
        "split": split,
    }
    return picture.image, record, truth


def write_scenes(folder: str | Path, sizes: Sizes, *, seed: int = 0, workers: int = 1, force: bool = False) -> bool:
    """
    Makes the data set, unless the folder holds it already, made by the same code with the same settings.

    Args:
        folder: gets VG_100K/, the three annotation files, true_predicates.npz and scenes.json (how it was made).
        workers: processes; the result does not depend on them.
        force: make it again in any case.
    Returns:
        Whether anything was made.
    """
    folder = Path(folder)
    recipe = {"seed": seed, "train": sizes.train, "val": sizes.val, "test": sizes.test, "code": _code_digest()}
    if not force and _made_by(folder) == recipe:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECIPE).unlink(missing_ok=True)
    splits = (("val", sizes.val), ("train", sizes.train), ("test", sizes.test))
    plan = [(split, index) for split, count in splits for index in range(count)]
    jobs = [(image_id, split, index) for image_id, (split, index) in enumerate(plan, start=1)]
    records, truths = [], []
    with _new_folder(folder / IMAGE_DIR) as images:
        drawn = _run(partial(_write_image, images, seed), jobs, workers)
        for record, truth in progress(drawn, total=len(jobs), desc="drawing scenes", unit="image"):
            records.append(record)
            truths.append(truth)
        write_vg_layout(folder, records, OBJECTS, PREDICATES, ATTRIBUTES)
        _write_truth(folder / TRUTH, [record["image_id"] for record in records], truths)
    write_json(folder / RECIPE, recipe)
    return True


def read_truth(folder: str | Path) -> dict[int, np.ndarray]:
    """
    What is true of each image, annotated or not.

    Returns:
        image_id -> (r, 4): subject row, object row (rows of the image's boxes), true predicate, annotated predicate (0
        = left out); predicates count from 1 as in the data set's dictionaries.
    """
    path = Path(folder) / TRUTH
    if not path.is_file():
        raise UserError(f"{path} is not there; python tools/make_demo_dataset.py makes it")
    with np.load(path, allow_pickle=False) as file:
        parts = np.split(file["relations"], file["starts"][1:])
        return dict(zip(file["image_id"].tolist(), parts, strict=True))


def _write_image(images: Path, seed: int, job: tuple[int, str, int]) -> tuple[dict[str, Any], np.ndarray]:
    """Draws and saves one image, in a worker; returns its record and truth."""
    cv2.setNumThreads(1)
    image_id, split, index = job
    picture, record, truth = make_image(seed, split, index)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    (images / f"{image_id}.jpg").write_bytes(encoded.tobytes())
    return {**record, "image_id": image_id}, truth


def _run(work, jobs: list, workers: int) -> Iterator:
    """The results of work(job), in the order of the jobs."""
    if workers <= 1 or len(jobs) < 50:
        yield from map(work, jobs)
        return
    # Spawned, not forked: a process that has used OpenMP or CUDA may not be forked safely.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(work, jobs, chunksize=8)


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` if the block succeeds, and vanishes if not."""
    temporary, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write_truth(path: Path, image_ids: list[int], truths: list[np.ndarray]) -> None:
    starts = np.cumsum([0, *(len(truth) for truth in truths[:-1])])
    relations = np.concatenate(truths)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, image_id=image_ids, starts=starts, relations=relations, predicates=PREDICATES)


def _code_digest() -> str:
    """A digest of the renderer's source: another renderer, another data set."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _made_by(folder: Path) -> dict[str, Any] | None:
    """The settings a finished folder was made with; None where there is none or its record is unreadable."""
    try:
        return json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
