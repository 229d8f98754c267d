"""The region proposal network (arXiv 1506.01497): anchors, head, proposals, losses."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.rpn.anchors import AnchorGenerator
from maskrcnn_benchmark.modeling.rpn.head import RPN_HEADS
from maskrcnn_benchmark.modeling.rpn.loss import RPNLoss
from maskrcnn_benchmark.modeling.rpn.proposals import ProposalSelector, add_ground_truth_boxes
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.image_list import ImageList


class RPN(nn.Module):
    """Proposals from feature maps."""

    def __init__(
        self,
        *,
        anchor_generator: AnchorGenerator,
        head: nn.Module,
        train_selector: ProposalSelector,
        test_selector: ProposalSelector,
        loss: RPNLoss | None,
        add_ground_truth: bool = False,
    ):
        """loss: None in a relation model. add_ground_truth: ground-truth boxes join the proposals in training."""
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.coder = train_selector.coder  # of both selectors and the loss
        self.train_selector, self.test_selector = train_selector, test_selector
        self.loss, self.add_ground_truth = loss, add_ground_truth

    @classmethod
    def from_config(cls, cfg, in_channels: int) -> "RPN":
        """Reads MODEL.RPN, and whether there is a relation head."""
        anchors, coder = AnchorGenerator.from_config(cfg), BoxCoder((1.0, 1.0, 1.0, 1.0))
        return cls(
            anchor_generator=anchors,
            head=RPN_HEADS[cfg.MODEL.RPN.RPN_HEAD](
                in_channels, cfg.MODEL.RPN.RPN_MID_CHANNEL, anchors.anchors_per_cell()
            ),
            train_selector=ProposalSelector.from_config(cfg, coder, training=True),
            test_selector=ProposalSelector.from_config(cfg, coder, training=False),
            loss=None if cfg.MODEL.RELATION_ON else RPNLoss.from_node(cfg.MODEL.RPN, coder, cfg.SEED, "rpn"),
            add_ground_truth=cfg.MODEL.ROI_RELATION_HEAD.ADD_GTBOX_TO_PROPOSAL_IN_TRAIN,
        )

    def forward(
        self, images: ImageList, features: Sequence[Tensor], targets: Sequence[BoxList] | None = None
    ) -> tuple[list[BoxList], dict[str, Tensor]]:
        """
        Args:
            images: for the sizes without padding.
            features: (B, C, H_l, W_l) per level.
            targets: ground truth, needed in training.
        Returns:
            Proposals with field `objectness`, and the losses (none in evaluation and in a relation model).
        """
        anchors = self.anchor_generator([feature.shape[-2:] for feature in features])
        logits, offsets = self.head(features)
        selector = self.train_selector if self.training else self.test_selector
        proposals = selector(anchors, [x.detach() for x in logits], [x.detach() for x in offsets], images.image_sizes)
        if not self.training:
            return proposals, {}
        losses: dict[str, Tensor] = {}
        if self.loss is not None:
            joined = torch.cat(anchors)
            inside = [self.anchor_generator.inside(joined, size) for size in images.image_sizes]
            losses = self.loss(joined, inside, torch.cat(logits, dim=1), torch.cat(offsets, dim=1), targets)
        return (add_ground_truth_boxes(proposals, targets) if self.add_ground_truth else proposals), losses
