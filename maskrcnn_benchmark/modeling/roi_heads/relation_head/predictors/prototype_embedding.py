"""
PrototypeEmbeddingNetwork: PE-Net's structural branch and, where the config names prototype files, SPLN's visual, conceptual and
generalized branches with their fusion.

PE-Net: Zheng et al., CVPR 2023. SPLN: Zhang et al., Synergetic Prototype Learning Network for Unbiased Scene Graph Generation, ACM MM
2024; its equations are not available, so what goes beyond PE-Net is this project's own design for the modules that the paper names.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.word_vectors import load_word_vectors, word_vector_file
from maskrcnn_benchmark.modeling import registry
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    POSITION_DIM,
    best_foreground,
    box_positions,
    entity_sizes,
    given_label_logits,
    greedy_foreground,
    label_vectors,
    position_embedding,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import configured_class_weights, cross_entropy, logit_adjustment
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import BranchOutput
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.conceptual import ConceptualBranch
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.fusion import GeneralizedBranch, MeanFusion, SelectiveFusion
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.layout import LAYOUT_DIM, pair_layout
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.loss import PrototypeLoss
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.sources import (
    check_visual_width,
    conceptual_source,
    read_or_start,
    visual_features,
    visual_source,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.structural import StructuralBranch
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.visual import VisualBranch
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput
from maskrcnn_benchmark.utils.checkpoint import mark_unfilled
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.seeding import torch_generator

# Prefix of a branch's loss names, in the order of the branches; the structural one keeps the published names.
PREFIXES = {"structural": "", "visual": "vis_", "conceptual": "con_", "generalized": "gen_"}


@dataclass(frozen=True, kw_only=True)
class BranchSettings:
    """
    What the branches beyond the structural one are made of.

    visual_bank: (K, V). conceptual_bank: (K, C), or None without that branch. The latent widths of their VAEs. visual_features: whether
    the bank's space is the detector's ('detector': PairBatch.visual_features) or the relation head's own ('relation': union_features).
    layout: whether the conceptual branch reads where boxes lie. fusion: 'selective' or 'mean'. The weights: of each branch's
    cross-entropy, of its prototype losses, of the VAEs' two terms.
    """

    visual_bank: Tensor
    visual_latent_dim: int
    visual_features: str = "relation"
    conceptual_bank: Tensor | None = None
    conceptual_latent_dim: int = 0
    layout: bool = True
    fusion: str = "selective"
    branch_loss_weight: float = 0.5
    prototype_loss_weight: float = 1.0
    reconstruction_weight: float = 1.0
    divergence_weight: float = 0.01


@registry.ROI_RELATION_PREDICTOR.register("PrototypeEmbeddingNetwork")
class PrototypeEmbeddingNetwork(StructuralBranch):
    """
    Scores a pair by its cosine to one prototype a predicate, in one space (PE-Net) or in several whose logits are fused (SPLN).

    Without `branches` this is PE-Net: same parameters, outputs and losses.
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
        branches: BranchSettings | None = None,
        class_weights: Tensor | None = None,
        adjustment: Tensor | None = None,
    ):
        """
        Args:
            task: decides where labels come from.
            in_channels: F, width of entity and union features.
            object_vectors, predicate_vectors: (O, E), (K, E) start values of the word tables.
            dim: D of the structural branch; the others' rows are as wide.
            hidden_dim: of the label refinement.
            dropout: rate of every dropout.
            nms_threshold: of the greedy label assignment (SGDet at test).
            branches: the branches beyond the structural one.
            class_weights, adjustment: (K,) of the predicates in each branch's own cross-entropy, as in RelationLoss.
        """
        super().__init__(
            in_channels=in_channels, object_vectors=object_vectors, predicate_vectors=predicate_vectors, dim=dim, dropout=dropout
        )
        num_objects, embed_dim = object_vectors.shape
        self.task, self.nms_threshold = task, nms_threshold
        self.pos_embed = position_embedding()
        self.obj_embed1 = nn.Embedding.from_pretrained(object_vectors.clone(), freeze=False)
        self.lin_obj_cyx = nn.Linear(in_channels + embed_dim + POSITION_DIM, hidden_dim)
        self.out_obj = nn.Linear(hidden_dim, num_objects)
        for layer in (self.lin_obj_cyx, self.out_obj):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        self.prototype_losses = nn.ModuleDict({"structural": PrototypeLoss()})
        self.logged: dict[str, Tensor] = {}
        self.branches = branches
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("adjustment", adjustment, persistent=False)
        if branches is not None:
            self._add_branches(branches, in_channels, dim, dropout)

    def _add_branches(self, settings: BranchSettings, in_channels: int, dim: int, dropout: float) -> None:
        sizes = {"dim": dim, "width": dim, "dropout": dropout}
        self.visual = VisualBranch(bank=settings.visual_bank, in_channels=in_channels, latent_dim=settings.visual_latent_dim, **sizes)
        widths = {"structural": 2 * dim, "visual": dim}
        if settings.conceptual_bank is not None:
            self.conceptual = ConceptualBranch(
                bank=settings.conceptual_bank,
                latent_dim=settings.conceptual_latent_dim,
                structural_width=widths["structural"],
                visual_width=widths["visual"],
                words_width=2 * self.obj_embed.embedding_dim,
                layout_width=LAYOUT_DIM if settings.layout else 0,
                **sizes,
            )
            widths["conceptual"] = dim
        self.generalized = GeneralizedBranch(list(widths.values()), **sizes)
        widths["generalized"] = dim
        self.fusion = SelectiveFusion(list(widths.values()), dim=dim) if settings.fusion == "selective" else MeanFusion()
        weight = settings.prototype_loss_weight
        for name in list(widths)[1:]:
            self.prototype_losses[name] = PrototypeLoss(prefix=PREFIXES[name], weight=weight)

    @classmethod
    def from_config(cls, cfg, meta, in_channels: int) -> "PrototypeEmbeddingNetwork":
        """
        Reads the PENET_*, VIS_*, CON_*, FUSION and *_WEIGHT keys of MODEL.ROI_RELATION_HEAD, CONTEXT_HIDDEN_DIM, GLOVE_DIR, SEED and
        TEST.RELATION.LATER_NMS_PREDICTION_THRES; the word vectors and prototypes of the files that these name, where they are there.

        Raises:
            UserError: keys that contradict each other, or a prototype file that does not fit.
        """
        head = cfg.MODEL.ROI_RELATION_HEAD
        if head.CONTEXT_POOLING_DIM != in_channels:
            raise UserError(
                f"MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM is {head.CONTEXT_POOLING_DIM}, but PrototypeEmbeddingNetwork reads features "
                f"of width {in_channels} (MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM); set both alike"
            )
        words = {"glove_dir": cfg.GLOVE_DIR, "dim": head.PENET_EMBED_DIM, "seed": cfg.SEED}
        objects = load_word_vectors(meta.objects, kind="object", **words)
        predicates = load_word_vectors(meta.predicates, kind="predicate", **words)
        unfilled = {}
        if objects is None or predicates is None:
            reason = f"GLOVE_DIR {cfg.GLOVE_DIR}: no word vectors {word_vector_file(cfg.GLOVE_DIR, head.PENET_EMBED_DIM).name} there"
            unfilled = dict.fromkeys(("obj_embed.weight", "obj_embed1.weight", "rel_embed.weight"), reason)
            generator = torch_generator(cfg.SEED, 1)
            objects = torch.randn(len(meta.objects), head.PENET_EMBED_DIM, generator=generator)
            predicates = torch.randn(len(meta.predicates), head.PENET_EMBED_DIM, generator=generator)
        branches, reasons = _branch_settings(cfg, meta, in_channels)
        model = cls(
            task=Task.from_cfg(cfg),
            in_channels=in_channels,
            object_vectors=objects,
            predicate_vectors=predicates,
            dim=head.PENET_MLP_DIM,
            hidden_dim=head.CONTEXT_HIDDEN_DIM,
            dropout=head.PENET_DROPOUT,
            nms_threshold=cfg.TEST.RELATION.LATER_NMS_PREDICTION_THRES,
            branches=branches,
            class_weights=configured_class_weights(cfg, meta) if cfg.MODEL.USE_REWEIGHT == "CLASS_BALANCED" else None,
            adjustment=logit_adjustment(meta, cfg.MODEL.LOGIT_ADJUSTMENT),
        )
        for name, reason in (unfilled | reasons).items():
            mark_unfilled(model, name, reason)
        return model

    @property
    def visual_features_dim(self) -> int | None:
        """Width V of the PairBatch.visual_features that are read; None if they are not."""
        return self.visual.bank.size(1) if self.branches is not None and self.branches.visual_features == "detector" else None

    def forward(self, pairs: PairBatch) -> RelationOutput:
        """
        Args:
            pairs: boxes, image_sizes, pair_index, roi_features (N, F), union_features (P, F); object_labels in PredCls, else
                object_logits (N, O), and boxes_per_class in SGDet at test; visual_features (P, V) if `visual_features_dim`; rel_labels
                in training.
        Returns:
            entity_logits (N, O) refined (PredCls: certain), relation_logits (P, K), the losses in training.
        """
        entity_logits, labels = self.refine_labels(pairs)
        outputs = {"structural": self.structural(pairs, labels)}
        self.logged = {}
        if self.branches is None:
            losses = self._prototype_losses(outputs, pairs.rel_labels) if self.training else {}
            return RelationOutput(entity_logits, outputs["structural"].logits, losses)

        terms = self._run_branches(outputs, pairs, labels)
        logits, weights = self.fusion(list(outputs.values()))
        self.logged = {f"fusion_{name}": w for name, w in zip(outputs, weights.detach().mean(dim=0), strict=True)} if len(weights) else {}
        losses = {}
        if self.training:
            losses = {**self._prototype_losses(outputs, pairs.rel_labels), **self._branch_losses(outputs, pairs.rel_labels), **terms}
        return RelationOutput(entity_logits, logits, losses)

    def refine_labels(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """
        The entities' classes: given in PredCls; else refined from looks, the detector's opinion and position.

        Returns:
            logits (N, O), and the labels (N,) that the word vectors are taken of, never background outside PredCls: the best class, in
            SGDet at test the greedy assignment.
        """
        if self.task.uses_gt_labels:
            labels = pairs.object_labels.long()
            return given_label_logits(labels, self.out_obj.out_features), labels
        sizes = entity_sizes(pairs.image_sizes, pairs.num_objects, pairs.boxes)
        position = self.pos_embed(box_positions(pairs.boxes, sizes))
        words = label_vectors(self.obj_embed1, pairs, self.task)
        logits = self.out_obj(self.lin_obj_cyx(torch.cat([pairs.roi_features, words, position], dim=1)))
        if self.training or self.task.uses_gt_boxes:
            return logits, best_foreground(logits)
        return logits, greedy_foreground(logits, pairs.boxes_per_class, pairs.num_objects, self.nms_threshold)

    def _run_branches(self, outputs: dict[str, BranchOutput], pairs: PairBatch, labels: Tensor) -> dict[str, Tensor]:
        """
        Adds the other branches' outputs, in order; returns the VAEs' weighted terms by name.

        The branches on top of the structural one take its rows and its word vectors of the entities' `labels` (N,) as they are: it learns
        from its own losses and the fused logits', as PE-Net does.
        """
        terms = {}
        features = pairs.union_features if self.visual_features_dim is None else pairs.visual_features
        structural = outputs["structural"].detached()
        outputs["visual"], terms["vis_"] = self.visual(features, pairs.roi_features, pairs.pair_index)
        if self.branches.conceptual_bank is not None:
            words = self.obj_embed(labels).detach()[pairs.pair_index].flatten(1)
            layout = pair_layout(pairs) if self.branches.layout else None
            outputs["conceptual"], terms["con_"] = self.conceptual(structural.rows, outputs["visual"].rows, words, layout)
        outputs["generalized"] = self.generalized([structural, *list(outputs.values())[1:]])
        weights = {"vae_rec": self.branches.reconstruction_weight, "vae_kl": self.branches.divergence_weight}
        return {prefix + name: weights[name] * value for prefix, parts in terms.items() for name, value in parts.items()}

    def _prototype_losses(self, outputs: dict[str, BranchOutput], labels: Tensor) -> dict[str, Tensor]:
        losses = {}
        for name, output in outputs.items():
            losses |= self.prototype_losses[name](output.rows, output.prototypes, labels)
        return losses

    def _branch_losses(self, outputs: dict[str, BranchOutput], labels: Tensor) -> dict[str, Tensor]:
        weight, shift = self.branches.branch_loss_weight, 0.0 if self.adjustment is None else self.adjustment
        losses = {name: cross_entropy(output.logits + shift, labels, self.class_weights) for name, output in outputs.items()}
        return {f"{PREFIXES[name] or 'str_'}loss_rel": weight * loss for name, loss in losses.items()}


def _branch_settings(cfg, meta, in_channels: int) -> tuple[BranchSettings | None, dict[str, str]]:
    """The branches that a config asks for, and by buffer's name why a bank is unfilled. No visual prototypes: None, PE-Net."""
    head = cfg.MODEL.ROI_RELATION_HEAD
    visual, conceptual = visual_source(cfg), conceptual_source(cfg)
    if visual is None:
        return None, {}
    features = visual_features(cfg)
    if features == "relation":
        check_visual_width(features, in_channels, head.VIS_PRO_DIM)
    visual_bank, why_visual = read_or_start(visual, meta.predicates, cfg.SEED)
    conceptual_bank, why_conceptual = (None, None) if conceptual is None else read_or_start(conceptual, meta.predicates, cfg.SEED + 1)
    settings = BranchSettings(
        visual_bank=visual_bank.bank,
        visual_latent_dim=head.VIS_VAE_LATENT_DIM,
        visual_features=features,
        conceptual_bank=None if conceptual_bank is None else conceptual_bank.bank,
        conceptual_latent_dim=head.CON_VAE_LATENT_DIM,
        layout=head.CON_LAYOUT,
        fusion=head.FUSION,
        branch_loss_weight=head.BRANCH_LOSS_WEIGHT,
        prototype_loss_weight=head.BRANCH_PROTO_LOSS_WEIGHT,
        reconstruction_weight=head.VAE_REC_WEIGHT,
        divergence_weight=head.VAE_KL_WEIGHT,
    )
    reasons = {"visual.bank": why_visual, "conceptual.bank": why_conceptual}
    return settings, {name: reason for name, reason in reasons.items() if reason}
