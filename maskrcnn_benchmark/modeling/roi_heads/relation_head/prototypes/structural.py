"""
The structural branch: PE-Net (Zheng et al., Prototype-based Embedding Network for Scene Graph Generation, CVPR 2023).

Names: N entities, P pairs, O object classes, K predicates, D width of a representation, E of a word vector, F of a feature.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import MLP, BranchOutput, initial_log_scale, scaled_cosine
from maskrcnn_benchmark.structures.relation import PairBatch


class StructuralBranch(nn.Module):
    """
    Compares a pair with predicates in a space spanned by words: subject and object from their class's word vector and looks, the pair
    from both and the union's looks, predicates from their own word vector.

    Subject and object depend on the entity alone and are computed N times, not P times; in training an entity's pairs so share one
    dropout mask (published code draws one a pair). Parameters bear the published names; `linear_pred` is among them and takes no part.
    """

    def __init__(self, *, in_channels: int, object_vectors: Tensor, predicate_vectors: Tensor, dim: int, dropout: float):
        """
        Args:
            in_channels: F.
            object_vectors, predicate_vectors: (O, E), (K, E) start values of the trained tables.
            dim: D; rows and prototypes are 2D wide.
            dropout: rate of every dropout.
        """
        super().__init__()
        embed_dim = object_vectors.size(1)
        self.dim = dim
        self.obj_embed = nn.Embedding.from_pretrained(object_vectors.clone(), freeze=False)
        self.rel_embed = nn.Embedding.from_pretrained(predicate_vectors.clone(), freeze=False)
        self.post_emb = nn.Linear(in_channels, 2 * dim)
        self.W_sub = MLP(embed_dim, dim // 2, dim)
        self.W_obj = MLP(embed_dim, dim // 2, dim)
        self.W_pred = MLP(embed_dim, dim // 2, dim)
        self.gate_sub = nn.Linear(2 * dim, dim)
        self.gate_obj = nn.Linear(2 * dim, dim)
        self.gate_pred = nn.Linear(2 * dim, dim)
        self.vis2sem = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(2 * dim, dim))
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

    def structural(self, pairs: PairBatch, labels: Tensor) -> BranchOutput:
        """
        Args:
            pairs: roi_features (N, F), union_features (P, F), pair_index (P, 2) are used.
            labels: (N,) the entities' classes.
        Returns:
            rows (P, 2D), prototypes (K, 2D), logits (P, K).
        """
        subjects, objects = self.entities(pairs.roi_features, labels)
        s, o = subjects[pairs.pair_index[:, 0]], objects[pairs.pair_index[:, 1]]
        rows = self.relations(s, o, pairs.union_features)
        prototypes = self.predicate_prototypes()
        return BranchOutput(rows=rows, prototypes=prototypes, logits=scaled_cosine(rows, prototypes, self.logit_scale))

    def entities(self, roi_features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Each entity in the role of subject and in that of object. (N, F), (N,) -> (N, D), (N, D)."""
        words = self.obj_embed(labels)
        as_object, as_subject = self.post_emb(roi_features).split(self.dim, dim=1)
        subject = self._entity(self.W_sub(words), as_subject, self.gate_sub, self.linear_sub, self.norm_sub)
        obj = self._entity(self.W_obj(words), as_object, self.gate_obj, self.linear_obj, self.norm_obj)
        return subject, obj

    def _entity(self, words: Tensor, looks: Tensor, gate: nn.Linear, linear: nn.Linear, norm: nn.LayerNorm) -> Tensor:
        looks = self.vis2sem(looks)
        entity = words + torch.sigmoid(gate(torch.cat([words, looks], dim=1))) * looks
        return norm(self.dropout(F.relu(linear(entity))) + entity)

    def relations(self, subjects: Tensor, objects: Tensor, union_features: Tensor) -> Tensor:
        """(P, D), (P, D), (P, F) -> rows (P, 2D)."""
        fused = F.relu(subjects + objects) - (subjects - objects).square()
        union = self.vis2sem(self.down_samp(union_features))
        row = fused - torch.sigmoid(self.gate_pred(torch.cat([fused, union], dim=1))) * union
        row = self.norm_rel_rep(self.dropout(F.relu(self.linear_rel_rep(row))) + row)
        return self.project_head(self.dropout(F.relu(row)))

    def predicate_prototypes(self) -> Tensor:
        """(K, 2D), from the predicates' word vectors."""
        return self.project_head(self.dropout(F.relu(self.W_pred(self.rel_embed.weight))))
