"""Zero-shot triplets: those of a test split that training has never shown."""

from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch

from maskrcnn_benchmark.utils.errors import UserError


def unseen_triplets(test: np.ndarray, training: np.ndarray) -> np.ndarray:
    """
    Rows of `test` that are not in `training`, each once.

    Args:
        test, training: (n, 3) and (m, 3) subject class, object class, predicate. Training means without val; rows may repeat.
    Returns:
        (t, 3) int64, sorted.
    """
    test, training = np.asarray(test, dtype=np.int64).reshape(-1, 3), np.asarray(training, dtype=np.int64).reshape(-1, 3)
    shape = tuple(np.concatenate([test, training, np.zeros((1, 3), dtype=np.int64)]).max(axis=0) + 1)
    codes = np.setdiff1d(np.ravel_multi_index(tuple(test.T), shape), np.ravel_multi_index(tuple(training.T), shape))
    return np.stack(np.unravel_index(codes, shape), axis=1).astype(np.int64)


def read_triplets(path: str | Path) -> np.ndarray:
    """
    A list of triplets from a file: `.npy`, or a tensor written by torch.save (the published zeroshot_triplet.pytorch).

    Returns:
        (t, 3) int64 subject class, object class, predicate.
    Raises:
        UserError: the file is missing, damaged or holds something else.
    """
    path = Path(path)
    try:
        triplets = np.load(path, allow_pickle=False) if path.suffix == ".npy" else torch.load(path, weights_only=True, map_location="cpu")
        triplets = np.asarray(triplets)
    except (OSError, ValueError, TypeError, RuntimeError, EOFError, UnpicklingError) as error:
        raise UserError(f"{path}: cannot be read as a list of triplets, a .npy file or a tensor ({error})") from error
    if triplets.ndim != 2 or triplets.shape[1] != 3 or not np.issubdtype(triplets.dtype, np.integer):
        raise UserError(f"{path}: expected integers (t, 3) subject, object, predicate, found {triplets.dtype} {triplets.shape}")
    return triplets.astype(np.int64)
