"""Zero-shot triplets: those of a test split that training has never shown."""

from pathlib import Path

import numpy as np

from maskrcnn_benchmark.utils.arrays import check_array, read_npy
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import read_file


def unseen_triplets(test: np.ndarray, training: np.ndarray) -> np.ndarray:
    """
    Rows of `test` that are not in `training`, each once.

    Args:
        test, training: (n, 3) and (m, 3) whole numbers subject class, object class, predicate; rows may repeat.
    Returns:
        (t, 3) int64, sorted.
    """
    unseen = set(map(tuple, np.asarray(test).tolist())) - set(map(tuple, np.asarray(training).tolist()))
    return np.array(sorted(unseen), dtype=np.int64).reshape(-1, 3)


def read_triplets(path: str | Path, *, num_classes: int, num_predicates: int) -> np.ndarray:
    """
    A list of triplets from a file: `.npy`, or a tensor written by torch.save (the published zeroshot_triplet.pytorch).

    Args:
        num_classes, num_predicates: of the vocabulary that the triplets are to be of, background counted.
    Returns:
        (t, 3) int64 subject class, object class, predicate.
    Raises:
        UserError: the file is missing, damaged, or holds something else or another vocabulary's triplets.
    """
    path = Path(path)
    content = read_npy(path, str(path)) if path.suffix == ".npy" else read_file(path)
    try:
        triplets = np.asarray(content)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: is no list of triplets, a .npy file or a tensor ({error})") from error
    if triplets.dtype.kind not in "iu":
        raise UserError(
            f"{path}: expected whole numbers (t, 3) subject, object, predicate, found {triplets.dtype} {triplets.shape}"
        )
    triplets = check_array(triplets, f"{path}: the triplets", 3, whole=True).astype(np.int64)
    if (triplets < 1).any():
        raise UserError(f"{path}: classes and predicates are whole numbers from 1, found {triplets.min()}")
    most = [num_classes - 1, num_classes - 1, num_predicates - 1]
    if (triplets > most).any():
        raise UserError(
            f"{path}: subject, object and predicate go up to {triplets.max(axis=0).tolist()}, but the vocabulary's to"
            f" {most}; it is another one's list"
        )
    return triplets
