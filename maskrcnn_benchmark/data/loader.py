"""Loaders: worker processes that read images ahead, and errors that arrive readable."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from maskrcnn_benchmark.data.collate import Batch, collate
from maskrcnn_benchmark.data.samplers import EvaluationBatchSampler, TrainingBatchSampler
from maskrcnn_benchmark.data.workers import ignore_signals, outcomes
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.seeding import torch_generator

logger = get_logger(__name__)


class _Guarded(Dataset):
    """Hands a UserError over as an item: raised in a worker, it would arrive as the text of a traceback."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, item: Any) -> Any:
        try:
            return self.dataset[item]
        except UserError as error:
            return error


def _collate(items: Sequence[Any]) -> Batch | UserError:
    return next((item for item in items if isinstance(item, UserError)), None) or collate(items)


class _Loader:
    """
    Batches of a data set.

    Args:
        dataset: `dataset[item]` is an item, or None for an image to leave out.
        batch_sampler: what to read.
        num_workers: processes that read; 0 reads in this one.
        timeout: seconds to wait for a batch of theirs; 0 waits without end.
        pin_memory: hand batches out in page-locked memory.
    Raises:
        UserError: from the data set, when its batch is due.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_sampler: Sampler,
        *,
        num_workers: int = 0,
        timeout: float = 0,
        pin_memory: bool = False,
    ):
        self.dataset, self.batch_sampler = dataset, batch_sampler
        self.skipped = 0
        self._loader = DataLoader(
            _Guarded(dataset),
            batch_sampler=batch_sampler,
            num_workers=num_workers,
            timeout=timeout if num_workers else 0,
            worker_init_fn=ignore_signals,
            collate_fn=_collate,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            # Without a generator of its own every start of the workers would draw from torch's, and a resumed run
            # would drift.
            generator=torch_generator(0),
        )

    def __iter__(self) -> Iterator[Batch]:
        """The batches that hold an image; images that were left out are counted in `skipped`."""
        for outcome in outcomes(self._loader):
            if isinstance(outcome, UserError):
                raise outcome
            self._used(outcome)
            if len(outcome):
                yield outcome

    def _used(self, batch: Batch) -> None:
        self.skipped += batch.skipped


class TrainingLoader(_Loader):
    """Endless batches of `dataset[epoch, index]`. Iterate once; `batch_sampler` holds the position for checkpoints."""

    batch_sampler: TrainingBatchSampler

    def _used(self, batch: Batch) -> None:
        super()._used(batch)
        self.batch_sampler.advance()


class EvaluationLoader(_Loader):
    """One pass over this process's share of a data set; can be iterated again."""

    batch_sampler: EvaluationBatchSampler

    def __len__(self) -> int:
        """Batches of a pass."""
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        self.skipped = 0
        yield from super().__iter__()
        if self.skipped:
            logger.warning("%d images left out of this pass: their files do not decode", self.skipped)
