"""FREQ, the baseline that every table carries: what the two labels alone say of the predicate."""

import numpy as np

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.utils.errors import UserError


class FrequencyBaseline:
    """
    FREQ (Zellers et al., Neural Motifs, CVPR 2018): p(k | s, o) = fg[s, o, k] / (sum over k of fg[s, o, k] + bg[s, o])
    from the training statistics; the background has the rest. A label pair without any count takes the ratio of the
    sums over all label pairs.

    Args:
        meta: with fg_matrix (O, O, K) and bg_matrix (O, O), O object classes, K predicates.
    Raises:
        UserError: meta holds no statistics, or counts nothing.
    """

    def __init__(self, meta: DatasetMeta) -> None:
        if meta.fg_matrix is None or meta.bg_matrix is None or not meta.fg_matrix.any():
            raise UserError(
                "FREQ needs the training statistics of the data set (fg_matrix, bg_matrix), they are absent or all zero"
            )
        foreground = meta.fg_matrix.astype(np.float64)
        foreground[:, :, 0] = 0
        background = meta.bg_matrix.astype(np.float64)
        total = foreground.sum(axis=2) + background
        overall = foreground.sum(axis=(0, 1)) / total.sum()
        table = np.divide(
            foreground,
            total[:, :, None],
            where=total[:, :, None] > 0,
            out=np.broadcast_to(overall, foreground.shape).copy(),
        )
        table[:, :, 0] = np.maximum(1 - table.sum(axis=2), 0)  # rounding may leave less than nothing
        self._table = table.astype(np.float32)

    def predicate_scores(self, subject_labels: np.ndarray, object_labels: np.ndarray) -> np.ndarray:
        """Probabilities (m, K) float32, background in column 0, of m pairs from their labels, (m,) integers each."""
        return self._table[np.asarray(subject_labels), np.asarray(object_labels)]
