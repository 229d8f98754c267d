"""The whole model: backbone, region proposals, heads."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.proposals import ProposalFile
from maskrcnn_benchmark.modeling.backbone import Backbone
from maskrcnn_benchmark.modeling.detector.input import InputNormalizer, check_targets
from maskrcnn_benchmark.modeling.roi_heads import ROIHeads
from maskrcnn_benchmark.modeling.rpn import RPN
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import ground_truth_entities
from maskrcnn_benchmark.structures.image_list import ImageList
from maskrcnn_benchmark.structures.regions import CachedRegions, Regions


class GeneralizedRCNN(nn.Module):
    """
    Faster R-CNN (arXiv 1506.01497), with attributes and relations where they are on.

    Attributes:
        logged: scalars of the last forward that are reported but not minimised, detached.
    """

    def __init__(
        self,
        *,
        normalizer: InputNormalizer,
        backbone: Backbone,
        rpn: RPN,
        roi_heads: ROIHeads | None,
        task: Task | None = None,
        proposals: ProposalFile | None = None,
    ):
        """
        Args:
            roi_heads: None for a model of proposals alone.
            task: of a relation model; None for a detector.
            proposals: boxes from a file that take the place of RPN and box head in SGDet.
        """
        super().__init__()
        self.normalizer, self.backbone, self.rpn, self.roi_heads = normalizer, backbone, rpn, roi_heads
        self.task, self.proposals = task, proposals
        self.logged: dict[str, Tensor] = {}

    @property
    def needs_targets(self) -> bool:
        """Whether evaluation needs targets: boxes (PredCls, SGCls), or the `image_id` that proposals are known by."""
        return self.proposals is not None or (self.task is not None and self.task.uses_gt_boxes)

    @property
    def slow_modules(self) -> dict[str, float]:
        """Which modules learn slower than the rest, and how many times, by name."""
        if self.task is None:
            return {}
        copies = ("box_feature_extractor", "union_feature_extractor.feature_extractor")
        ratio = self.roi_heads.relation.predictor.extractor_slowdown
        return {f"roi_heads.relation.{name}": ratio for name in copies} if ratio != 1 else {}

    def set_iteration(self, iteration: int) -> None:
        """The training iteration, from 1, of the next forward; the relation head's class weights may depend on it."""
        if self.task is not None:
            self.roi_heads.relation.loss.iteration = iteration

    def forward(
        self, images: ImageList | Sequence[Tensor] | Sequence[CachedRegions], targets: Sequence[BoxList] | None = None
    ) -> dict[str, Tensor] | list[BoxList]:
        """
        Args:
            images: (3, h, w) tensors or an ImageList; float is network input, uint8 is RGB of the size to be used. Or
                the CachedRegions of each image, which leave the relation predictor alone to run.
            targets: ground truth in the frame of their image; needed in training and where `needs_targets` says so.
        Returns:
            In training the weighted losses, whose sum is minimised; in evaluation a BoxList per image, in the frame of
            the unpadded input.
        Raises:
            ValueError: targets are missing, too few or too many, or in another frame.
        """
        if targets is None and (self.training or self.needs_targets):
            why = f"{self.task!s} with ground-truth boxes" if self.proposals is None else "DATASETS.PROPOSALS"
            what = "training" if self.training else why
            raise ValueError(f"{what} needs targets: call model(images, targets)")
        if self.task is not None:
            results, losses = self.roi_heads.relation(self.regions(images, targets), targets)
            self.logged = dict(self.roi_heads.relation.logged)
            return losses if self.training else results
        features, targets, results, losses = self._proposals(images, targets)
        if self.roi_heads is not None:
            results, head_losses = self.roi_heads(features, results, targets)
            losses = {**losses, **head_losses}
        return losses if self.training else results

    def regions(
        self, images: ImageList | Sequence[Tensor] | Sequence[CachedRegions], targets: Sequence[BoxList] | None = None
    ) -> Regions:
        """What the images of a batch offer to relations; arguments as of forward, for a relation model."""
        if not isinstance(images, ImageList) and isinstance(images[0], CachedRegions):
            return CachedRegions.joined(images)
        features, targets, proposals, _ = self._proposals(images, targets)
        return self.roi_heads.relation.regions(features, self.roi_heads.entities(features, proposals, targets))

    def _proposals(
        self, images: ImageList | Sequence[Tensor], targets: Sequence[BoxList] | None
    ) -> tuple[Sequence[Tensor], Sequence[BoxList] | None, list[BoxList], dict[str, Tensor]]:
        """Feature maps, targets in the network's frame, boxes for the heads, and the RPN's losses."""
        images = self.normalizer(images)
        targets = check_targets(targets, images)
        features = self.backbone(images.tensors)
        return features, targets, *self.propose(images, features, targets)

    def propose(
        self, images: ImageList, features: Sequence[Tensor], targets: Sequence[BoxList] | None
    ) -> tuple[list[BoxList], dict[str, Tensor]]:
        """Boxes for the heads, from the ground truth, a file or the RPN, which runs in no other case; its losses."""
        if self.task is not None and self.task.uses_gt_boxes:
            return ground_truth_entities(targets), {}
        if self.proposals is not None:
            return [self.proposals.entities(target, training=self.training) for target in targets], {}
        if self.task is None:
            return self.rpn(images, features, targets)
        with torch.no_grad():
            return self.rpn(images, features, targets)
