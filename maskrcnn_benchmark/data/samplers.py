"""Which images make a batch, in which order: seeded, the same for any number of processes, and resumable."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.seeding import numpy_generator

logger = get_logger(__name__)


class TrainingBatchSampler(Sampler):
    """
    Endless batches of (epoch, image index). Every epoch visits every image once, in an order drawn from (seed, epoch).

    A batch is of one group. Images that do not fill a batch at the end of an epoch wait for the next epoch's, so every
    batch is full and none is visited twice. The processes of a distributed run share each batch: process r takes its
    r-th part.

    Args:
        groups: (I,) group number of each image; all equal where batches may mix.
        batch_size: images per step over all processes together.
        seed: of the orders.
        rank, world_size: this process and how many there are.
    Raises:
        UserError: no image, or a batch that the processes cannot share evenly.
    """

    def __init__(self, groups: np.ndarray, batch_size: int, *, seed: int, rank: int = 0, world_size: int = 1):
        if len(groups) == 0:
            raise UserError("there is no training image to draw batches from")
        if batch_size < 1 or batch_size % world_size:
            raise UserError(
                f"SOLVER.IMS_PER_BATCH {batch_size} must be a multiple of the number of processes, {world_size}"
            )
        self.groups, self.batch_size, self.seed = np.asarray(groups), batch_size, seed
        part = batch_size // world_size
        self._part = slice(rank * part, (rank + 1) * part)
        self._epoch, self._batch = 0, 0
        self._waiting = np.zeros((0, 2), dtype=np.int64)
        self._planned: tuple[np.ndarray, np.ndarray] | None = None

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batches from the position that advance() and load_state_dict() have set, without end."""
        epoch, first, waiting = self._epoch, self._batch, self._waiting
        while True:
            batches, waiting = self._plan(epoch, waiting)
            for batch in batches[first:]:
                yield [(int(drawn), int(image)) for drawn, image in batch[self._part]]
            epoch, first = epoch + 1, 0

    def advance(self) -> None:
        """Notes that one more batch has been used; workers may have been asked for later ones already."""
        batches, waiting = self._plan_now()
        self._batch += 1
        while self._batch >= len(batches):
            self._batch -= len(batches)
            self._epoch, self._waiting, self._planned = self._epoch + 1, waiting, None
            batches, waiting = self._plan_now()

    def state_dict(self) -> dict[str, Any]:
        """The position after the batches used so far, as plain numbers."""
        return {
            "images": len(self.groups),
            "batch_size": self.batch_size,
            "epoch": self._epoch,
            "batch": self._batch,
            "waiting": self._waiting.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Goes to a saved position. With another batch size the images of the epoch that were used are counted, rounded
        down to batches.

        Raises:
            UserError: the state is of a data set of another size.
        """
        if state["images"] != len(self.groups):
            raise UserError(
                f"the checkpoint's position is in a training set of {state['images']} images, this one has"
                f" {len(self.groups)}; train the changed data set into another OUTPUT_DIR"
            )
        self._epoch, self._batch = int(state["epoch"]), int(state["batch"])
        self._waiting = np.array(state["waiting"], dtype=np.int64).reshape(-1, 2)
        self._planned = None
        if state["batch_size"] != self.batch_size:
            sizes = self.batch_size, state["batch_size"]
            logger.warning("batches hold %d images, %d before: the epoch goes on about where it was", *sizes)
            used = self._batch * state["batch_size"] // self.batch_size
            self._batch = min(used, max(len(self._plan_now()[0]) - 1, 0))

    def _plan_now(self) -> tuple[np.ndarray, np.ndarray]:
        if self._planned is None:
            self._planned = self._plan(self._epoch, self._waiting)
        return self._planned

    def _plan(self, epoch: int, waiting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        The batches (n, batch size, 2) of an epoch, ordered by when each is full, and the images (w, 2) left over.

        `waiting` (w, 2) rows (epoch, image) come before the epoch's own, in its random order.
        """
        order = numpy_generator(self.seed, epoch).permutation(len(self.groups))
        queue = np.concatenate([waiting, np.stack([np.full_like(order, epoch), order], axis=1)])
        full, batches, left = [], [], []
        for group in np.unique(self.groups):
            places = np.flatnonzero(self.groups[queue[:, 1]] == group)
            used = len(places) // self.batch_size * self.batch_size
            batches.append(places[:used].reshape(-1, self.batch_size))
            full.append(batches[-1][:, -1])
            left.append(places[used:])
        batch_places = np.concatenate(batches)[np.argsort(np.concatenate(full))]
        return queue[batch_places], queue[np.sort(np.concatenate(left))]


class EvaluationBatchSampler(Sampler):
    """
    Every image once, over all processes together: process r takes images r, r + world_size, ... No image is repeated to
    even out.

    A batch is of one group. Batches come in the order of their first images.

    Args:
        groups: (I,) group number of each image, that of its canvas: padding to another image's would change what is
            found.
        batch_size: images per step of this process.
    """

    def __init__(self, groups: np.ndarray, batch_size: int, *, rank: int = 0, world_size: int = 1):
        own, size = np.arange(rank, len(groups), world_size), max(batch_size, 1)
        alike = [own[groups[own] == group] for group in np.unique(groups[own])]
        batches = [images[first : first + size].tolist() for images in alike for first in range(0, len(images), size)]
        self._batches = sorted(batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches


def canvas_groups(sizes: Sequence[tuple[int, int]], divisibility: int) -> np.ndarray:
    """(I,) a number for each canvas (width, height), sizes rounded up to the divisibility, that the network sees."""
    canvases = np.asarray(sizes, dtype=np.int64).reshape(-1, 2)
    if divisibility > 0:
        canvases = -(-canvases // divisibility) * divisibility
    return np.unique(canvases, axis=0, return_inverse=True)[1].reshape(-1)


def aspect_groups(sizes: np.ndarray, grouping: bool) -> np.ndarray:
    """(I,) 1 for images wider than high, of sizes (I, 2), and 0 for others; all 0 without grouping."""
    return ((sizes[:, 0] > sizes[:, 1]) & grouping).astype(np.int64)
