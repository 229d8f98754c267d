"""The frequency bias of the baselines: log p(predicate | subject label, object label), as a trained table."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.data.meta import DatasetMeta


class FrequencyBias(nn.Module):
    """Predicate logits of a pair from its two labels alone (Neural Motifs, CVPR 2018).

    Args:
        table: (O, O, K) initial logits, ln(count / total + 0.001), or None for zeros.
    """

    def __init__(self, num_classes: int, num_predicates: int, table: Tensor | None = None):
        super().__init__()
        self.num_classes = num_classes
        self.obj_baseline = nn.Embedding(num_classes * num_classes, num_predicates)
        with torch.no_grad():
            if table is None:
                self.obj_baseline.weight.zero_()
            else:
                self.obj_baseline.weight.copy_(
                    torch.as_tensor(table).reshape(num_classes * num_classes, num_predicates)
                )

    @classmethod
    def from_meta(cls, meta: DatasetMeta) -> FrequencyBias:
        """Starts from the statistics of the training split; without them from zero."""
        table = None if meta.fg_matrix is None else meta.frequency_table()
        return cls(len(meta.objects), len(meta.predicates), table)

    def by_labels(self, labels: Tensor, pair_index: Tensor) -> Tensor:
        """labels (N,), pair_index (P, 2) -> (P, K)."""
        subject, object_ = labels[pair_index].unbind(1)
        return self.obj_baseline(subject * self.num_classes + object_)

    def by_probabilities(self, probabilities: Tensor, pair_index: Tensor, chunk: int = 1024) -> Tensor:
        """
        The expected row under independent label distributions.

        The sum over the subject's classes is taken once per entity; the sum over the object's, chunk by chunk, so that
        nothing of size (P, O, O) exists.

        Args:
            probabilities: (N, O); pair_index: (P, 2).
        Returns:
            (P, K)
        """
        num_classes, num_predicates = self.num_classes, self.obj_baseline.embedding_dim
        table = self.obj_baseline.weight.view(num_classes, num_classes * num_predicates)
        by_subject = (probabilities @ table).view(-1, num_classes, num_predicates)  # (N, O, K)
        rows = [
            torch.bmm(probabilities[part[:, 1]].unsqueeze(1), by_subject[part[:, 0]]).squeeze(1)
            for part in pair_index.split(chunk)
        ]
        return torch.cat(rows) if rows else by_subject.new_zeros(0, num_predicates)
