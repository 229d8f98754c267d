"""The frequency bias of the baselines: log p(predicate | subject label, object label), as a trained table."""

import torch
from torch import Tensor, nn


class FrequencyBias(nn.Module):
    """Predicate logits of a pair from its two labels alone (Neural Motifs, CVPR 2018)."""

    def __init__(self, table: Tensor):
        """table: (O, O, K) initial logits, as DatasetMeta.frequency_table gives them."""
        super().__init__()
        self.num_classes = table.size(0)
        self.obj_baseline = nn.Embedding(self.num_classes**2, table.size(2))
        with torch.no_grad():
            self.obj_baseline.weight.copy_(table.flatten(0, 1))

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
