"""
PE-Net: Zheng et al., Prototype-based Embedding Network for Scene Graph Generation, CVPR 2023 (arXiv 2303.07096).

Names: N entities, P pairs, O object classes, K predicates, D width of a representation, E of a word vector, F of a
feature.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.words import starting_vectors
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    POSITION_DIM,
    best_foreground,
    greedy_foreground,
    ground_truth_logits,
    label_vectors,
    position_embedding,
    position_numbers,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import RelationPredictor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import MLP, initial_log_scale, scaled_cosine
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.loss import prototype_losses
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.seeding import torch_generator
from maskrcnn_benchmark.utils.weights import mark_unfilled


class PENet(RelationPredictor):
    """
    Scores a pair by its cosine to one prototype per predicate, in a space spanned by words: subject and object come
    from their class's word vector and their appearance, the pair from both and the union's appearance, predicates from
    their own word vector.

    Subject and object depend on the entity alone and are computed N times, not P times; in training an entity's pairs
    so share one dropout mask (published code draws one per pair). Parameters bear the published names; `linear_pred` is
    among them and takes no part.
    """

    def __init__(
        self,
        *,
        task: Task,
        in_channels: int,
        object_vectors: Tensor,
        predicate_vectors: Tensor,
        dim: int = 2048,
        hidden_dim: int = 512,
        dropout: float = 0.2,
        nms_threshold: float = 0.5,
    ):
        """
        Args:
            task: decides where labels come from.
            in_channels: F, width of entity and union features.
            object_vectors, predicate_vectors: (O, E), (K, E) start values of the word tables.
            dim: D; pairs and prototypes are compared at 2D.
            hidden_dim: of the label refinement.
            dropout: rate of every dropout.
            nms_threshold: of the greedy label assignment (SGDet at test).
        """
        super().__init__()
        num_classes, embed_dim = object_vectors.shape
        self.task, self.nms_threshold, self.dim = task, nms_threshold, dim
        self.obj_embed = nn.Embedding.from_pretrained(object_vectors.clone(), freeze=False)
        self.rel_embed = nn.Embedding.from_pretrained(predicate_vectors.clone(), freeze=False)
        self.post_emb = nn.Linear(in_channels, 2 * dim)
        self.W_sub = MLP(embed_dim, dim // 2, dim)
        self.W_obj = MLP(embed_dim, dim // 2, dim)
        self.W_pred = MLP(embed_dim, dim // 2, dim)
        self.gate_sub = nn.Linear(2 * dim, dim)
        self.gate_obj = nn.Linear(2 * dim, dim)
        self.gate_pred = nn.Linear(2 * dim, dim)
        self.vis2sem = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(2 * dim, dim)
        )
        self.down_samp = MLP(in_channels, dim, dim)
        self.project_head = MLP(dim, dim, 2 * dim)
        self.linear_sub = nn.Linear(dim, dim)
        self.linear_obj = nn.Linear(dim, dim)
        self.linear_pred = nn.Linear(dim, dim)
        self.linear_rel_rep = nn.Linear(dim, dim)
        self.norm_sub = nn.LayerNorm(dim)
        self.norm_obj = nn.LayerNorm(dim)
        self.norm_rel_rep = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.logit_scale = initial_log_scale()
        self.pos_embed = position_embedding()
        self.obj_embed1 = nn.Embedding.from_pretrained(object_vectors.clone(), freeze=False)
        self.lin_obj_cyx = nn.Linear(in_channels + embed_dim + POSITION_DIM, hidden_dim)
        self.out_obj = nn.Linear(hidden_dim, num_classes)
        for layer in (self.lin_obj_cyx, self.out_obj):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    @classmethod
    def from_config(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> "PENet":
        """
        Reads the PENET_* and CONTEXT_* keys of MODEL.ROI_RELATION_HEAD, GLOVE_DIR, SEED and
        TEST.RELATION.LATER_NMS_PREDICTION_THRES, and the file of word vectors, if it is there.

        Raises:
            UserError: keys that contradict each other.
        """
        arguments, unfilled = cls._arguments(cfg, meta, in_channels)
        model = cls(**arguments)
        for name, reason in unfilled.items():
            mark_unfilled(model, name, reason)
        return model

    @classmethod
    def _arguments(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> tuple[dict[str, Any], dict[str, str]]:
        """The constructor's arguments; and by name, why a table is only a seeded start that a checkpoint must fill."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        if head.CONTEXT_POOLING_DIM != in_channels:
            raise UserError(
                f"MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM is {head.CONTEXT_POOLING_DIM}, but"
                f" PrototypeEmbeddingNetwork reads features of width {in_channels} (MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM);"
                " set both alike"
            )
        width, generator = head.PENET_EMBED_DIM, torch_generator(cfg.SEED, 1)
        objects, missing = starting_vectors(cfg, meta.objects, width, "object", generator)
        predicates, _ = starting_vectors(cfg, meta.predicates, width, "predicate", generator)
        tables = ("obj_embed.weight", "obj_embed1.weight", "rel_embed.weight")
        unfilled = dict.fromkeys(tables, missing) if missing else {}
        arguments = {
            "task": Task.from_cfg(cfg),
            "in_channels": in_channels,
            "object_vectors": objects,
            "predicate_vectors": predicates,
            "dim": head.PENET_MLP_DIM,
            "hidden_dim": head.CONTEXT_HIDDEN_DIM,
            "dropout": head.PENET_DROPOUT,
            "nms_threshold": cfg.TEST.RELATION.LATER_NMS_PREDICTION_THRES,
        }
        return arguments, unfilled

    def forward(self, pairs: PairBatch) -> RelationOutput:
        """
        Args:
            pairs: boxes, image_sizes, pair_index, roi_features (N, F), union_features (P, F); object_labels in PredCls,
                else object_logits (N, O), and boxes_per_class in SGDet at test; rel_labels in training.
        Returns:
            entity_logits (N, O) refined (PredCls: certain), relation_logits (P, K), the losses in training.
        """
        entity_logits, labels = self.refine_labels(pairs)
        intersection = self.intersection(pairs, labels)
        union = self.vis2sem(self.down_samp(pairs.union_features))
        relation = intersection - torch.sigmoid(self.gate_pred(torch.cat([intersection, union], dim=1))) * union
        rows, prototypes = self.project_head(self.activate(self.settle(relation))), self.predicate_prototypes()
        losses = prototype_losses(rows, prototypes, pairs.rel_labels) if self.training else {}
        return RelationOutput(entity_logits, scaled_cosine(rows, prototypes, self.logit_scale), losses)

    def refine_labels(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """
        The entities' classes: ground truth in PredCls; else refined from appearance, position and detector.

        Returns:
            logits (N, O), and the labels (N,) that the word vectors are taken of, never background outside PredCls: the
            best class, in SGDet at test the greedy assignment.
        """
        if self.task.uses_gt_labels:
            labels = pairs.object_labels.long()
            return ground_truth_logits(labels, self.out_obj.out_features), labels
        position = self.pos_embed(position_numbers(pairs))
        words = label_vectors(self.obj_embed1, pairs, self.task)
        logits = self.out_obj(self.lin_obj_cyx(torch.cat([pairs.roi_features, words, position], dim=1)))
        if self.training or self.task.uses_gt_boxes:
            return logits, best_foreground(logits)
        return logits, greedy_foreground(logits, pairs.boxes_per_class, pairs.num_objects, self.nms_threshold)

    def intersection(self, pairs: PairBatch, labels: Tensor) -> Tensor:
        """What subject and object have in common, f = ReLU(s + o) − (s − o)². (N,) labels of the entities -> (P, D)."""
        as_subject, as_object = self.entities(pairs.roi_features, labels)
        subject, obj = as_subject[pairs.pair_index[:, 0]], as_object[pairs.pair_index[:, 1]]
        return F.relu(subject + obj) - (subject - obj).square()

    def entities(self, roi_features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Each entity in the role of subject and in that of object. (N, F), (N,) -> (N, D), (N, D)."""
        words = self.obj_embed(labels)
        as_object, as_subject = self.post_emb(roi_features).split(self.dim, dim=1)
        subject = self._entity(self.W_sub(words), as_subject, self.gate_sub, self.linear_sub, self.norm_sub)
        obj = self._entity(self.W_obj(words), as_object, self.gate_obj, self.linear_obj, self.norm_obj)
        return subject, obj

    def _entity(
        self, words: Tensor, appearance: Tensor, gate: nn.Linear, linear: nn.Linear, norm: nn.LayerNorm
    ) -> Tensor:
        appearance = self.vis2sem(appearance)
        entity = words + torch.sigmoid(gate(torch.cat([words, appearance], dim=1))) * appearance
        return norm(self.dropout(F.relu(linear(entity))) + entity)

    def settle(self, relation: Tensor) -> Tensor:
        """The residual layer and norm behind a pair's representation r. (P, D) -> (P, D)."""
        return self.norm_rel_rep(self.dropout(F.relu(self.linear_rel_rep(relation))) + relation)

    def activate(self, x: Tensor) -> Tensor:
        """Dropout(ReLU(x)), what every projection starts with; a mask of its own at each call."""
        return self.dropout(F.relu(x))

    def predicate_prototypes(self) -> Tensor:
        """(K, 2D), from the predicates' word vectors."""
        return self.project_head(self.activate(self.W_pred(self.rel_embed.weight)))
