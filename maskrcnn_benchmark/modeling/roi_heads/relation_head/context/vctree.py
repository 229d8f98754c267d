"""The context of VCTree (Tang et al., CVPR 2019): a tree over an image's boxes, grown from learned pair scores."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.averaging import mean_over_processes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.batch_norm import BatchNorm1d
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.recurrent import RecurrentContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.tree_lstm import TreeDecoder, TreeLSTM
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.trees import Forest, grow_forest
from maskrcnn_benchmark.structures.relation import PairBatch

OVERLAP_SCALE = 1024.0  # the published side length of every image, whatever its size


def overlap_numbers(boxes: Tensor) -> Tensor:
    """
    Six numbers that say how much a box overlaps the others of its image.

    Args:
        boxes: (n, 4) xyxy in pixels, one image's.
    Returns:
        (n, 6): count of boxes that intersect it (itself too), summed intersection areas / 1024², summed IoU, both over
        the count, and its own area / 1024² (without the +1 that the others have).
    """
    top_left = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    bottom_right = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    intersection = (bottom_right - top_left + 1).clamp(min=0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    iou = intersection / (area[:, None] + area[None, :] - intersection)
    count = (intersection > 0).to(boxes.dtype).sum(1)
    areas, ious = intersection.sum(1) / OVERLAP_SCALE**2, iou.sum(1)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(1) / OVERLAP_SCALE**2
    return torch.stack([count, areas, ious, areas / (count + 1e-9), ious / (count + 1e-9), own], 1)


def _embedded_numbers(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 128), BatchNorm1d(128, momentum=0.001), nn.ReLU(inplace=True))


class VCTreeContext(RecurrentContext):
    """Pair scores, the trees grown from them, and tree LSTMs for labels and edge context."""

    def __init__(
        self,
        *,
        in_channels: int,
        decoder_words: nn.Embedding,
        frequency_table: Tensor,
        hidden: int,
        object_layers: int,
        edge_layers: int,
        dropout: float,
        **shared: Any,
    ):
        """
        Args:
            decoder_words: (O + 1, E) table of word vectors, as TreeDecoder has it.
            frequency_table: (O, O, K) log frequencies, whose sum over predicates starts the label prior.
        """
        super().__init__(in_channels=in_channels, hidden=hidden, **shared)
        self.overlap_embed = _embedded_numbers(6)
        self.box_embed = _embedded_numbers(9)
        self.bi_freq_prior = nn.Linear(self.num_classes**2, 1, bias=False)
        with torch.no_grad():
            summed = frequency_table.sum(2)
            self.bi_freq_prior.weight.copy_((summed + summed.t()).reshape(1, -1))
        self.obj_reduce = nn.Linear(in_channels, 128)
        self.emb_reduce = nn.Linear(self.embed_dim, 128)
        self.score_pre = nn.Linear(4 * 128, hidden)
        self.score_sub = nn.Linear(hidden, hidden)
        self.score_obj = nn.Linear(hidden, hidden)
        self.vision_prior = nn.Linear(3 * hidden + 1, 1)
        self.obj_ctx_rnn = TreeLSTM(self.entity_dim, hidden, object_layers, dropout)
        self.decoder_rnn = TreeDecoder(
            words=decoder_words, in_channels=self.decoder_dim, hidden=hidden, dropout=dropout
        )
        self.edge_ctx_rnn = TreeLSTM(self.edge_dim, hidden, edge_layers, dropout)

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> "VCTreeContext":
        return cls(**cls.arguments(cfg, meta, in_channels), frequency_table=meta.frequency_table())

    def order(self, pairs: PairBatch, vectors: Tensor, numbers: Tensor) -> tuple[Forest, dict[str, Tensor]]:
        """Trees grown from the pair scores; in training `binary_loss`, their cross-entropy with PairBatch.related."""
        pair_logits = self.score_pairs(pairs, vectors, numbers)
        forest = grow_forest([logits.sigmoid() for logits in pair_logits], vectors.device)
        if not self.training or pairs.related is None:
            return forest, {}
        terms = [
            F.binary_cross_entropy_with_logits(logits, related.to(logits))
            for logits, related in zip(pair_logits, pairs.related, strict=True)
            if logits.numel()
        ]
        return forest, {"binary_loss": mean_over_processes(torch.stack(terms).sum(), len(terms))}

    def object_context(self, entities: Tensor, order: Forest) -> Tensor:
        return self.obj_ctx_rnn(entities, order)

    def edge_context(self, inputs: Tensor, order: Forest) -> Tensor:
        return self.edge_ctx_rnn(inputs, order)

    def decode(self, pairs: PairBatch, inputs: Tensor, order: Forest) -> tuple[Tensor, Tensor]:
        if self.task.uses_gt_labels:
            return self.ground_truth(pairs)
        for image_rows in inputs.split(pairs.num_objects):
            self.track("dcd_feat", image_rows)
        return self.decoder_rnn(inputs, order)

    def score_pairs(self, pairs: PairBatch, vectors: Tensor, numbers: Tensor) -> list[Tensor]:
        """Logits (n, n) of "these two are related" for each image: row i in the object role, column j as subject."""
        overlaps = torch.cat([overlap_numbers(boxes) for boxes in pairs.boxes.split(pairs.num_objects)])
        reduced = [self.obj_reduce(pairs.roi_features.detach()), self.emb_reduce(vectors.detach())]
        joint = F.relu(self.score_pre(torch.cat([*reduced, self.box_embed(numbers), self.overlap_embed(overlaps)], 1)))
        subjects, objects = F.relu(self.score_sub(joint)), F.relu(self.score_obj(joint))
        logits = self.ground_truth(pairs)[0] if self.task.uses_gt_labels else pairs.object_logits
        probabilities = logits.detach().float().softmax(1).to(joint.dtype)
        prior = self.bi_freq_prior.weight.view(self.num_classes, self.num_classes)
        both, of_subject, of_object, of_prior = self.vision_prior.weight[0].split([*[self.hidden] * 3, 1])
        result = []
        for s, o, p in zip(*(x.split(pairs.num_objects) for x in (subjects, objects, probabilities)), strict=True):
            label_prior = p @ prior @ p.t()
            vision = (o * both) @ s.t() + (s @ of_subject)[None, :] + (o @ of_object)[:, None] + of_prior * label_prior
            result.append(torch.sigmoid(vision + self.vision_prior.bias) * label_prior)
        return result
