"""What numbers a configuration key takes. Keys that are not named here take any number that is not negative."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maskrcnn_benchmark.config.node import leaves
from maskrcnn_benchmark.utils.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Range:
    """
    The numbers from `low` to `high`; of a list, every element.

    Attributes:
        without_low, without_high: the bound itself is out of range.
        count: elements that a list has; 0 means any number of them.
        some: a list must not be empty.
        rising: no element of a list is smaller than the one before.
    """

    low: float = 0
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False
    count: int = 0
    some: bool = False
    rising: bool = False

    def fault(self, value: Any) -> str | None:
        """What a value should have been, in words; None where it is in range."""
        elements = _elements(value)
        wrong_count = isinstance(value, tuple) and (
            len(elements) != self.count if self.count else self.some and not elements
        )
        rises = not self.rising or list(elements) == sorted(elements)
        if wrong_count or not rises or not all(self._holds(element) for element in elements):
            return self.words(isinstance(value, tuple))
        return None

    def _holds(self, number: float) -> bool:
        above = number > self.low if self.without_low else number >= self.low
        return above and (number < self.high if self.without_high else number <= self.high)

    def words(self, is_list: bool) -> str:
        """The range in words, such as "at least 0 and below 1"; of a list also how many numbers it has."""
        bounds = []
        if self.low > -math.inf:
            bounds.append(f"{'above' if self.without_low else 'at least'} {self.low:g}")
        if self.high < math.inf:
            bounds.append(f"{'below' if self.without_high else 'at most'} {self.high:g}")
        words = " and ".join(bounds)
        if not is_list:
            return words or "any number"
        how_many = f"{self.count} numbers" if self.count else "one number or more" if self.some else "numbers"
        each = f", each {words}" if words else ""
        return f"{how_many}{each}{', none smaller than the one before' if self.rising else ''}"


_ANY = Range(low=-math.inf)
_FROM_1 = Range(low=1)
_POSITIVE = Range(without_low=True)
_SHARE = Range(high=1)
_BELOW_1 = Range(high=1, without_high=True)
_SOME_POSITIVE = Range(without_low=True, some=True)

# Range, section, and the keys of that section that it holds for.
_RANGES_OF = (
    (Range(high=1e18), "", "SEED"),
    # -- training and evaluation
    (_POSITIVE, "SOLVER.", "BASE_LR"),
    (_BELOW_1, "SOLVER.", "MOMENTUM"),
    (Range(low=1, rising=True), "SOLVER.", "STEPS"),
    (Range(high=1, without_low=True), "SOLVER.", "GAMMA"),
    (_SHARE, "SOLVER.", "WARMUP_FACTOR"),
    (Range(high=1, without_low=True, without_high=True), "SOLVER.", "SCHEDULE.FACTOR"),
    (_FROM_1, "SOLVER.", "IMS_PER_BATCH ACCUMULATE LOG_PERIOD SCHEDULE.PATIENCE SCHEDULE.MAX_DECAY_STEP"),
    (Range(high=1, without_low=True), "TEST.", "RELATION.IOU_THRESHOLD"),
    (_SHARE, "TEST.", "RELATION.LATER_NMS_PREDICTION_THRES"),
    (_FROM_1, "TEST.", "IMS_PER_BATCH BBOX_AUG.MAX_SIZE BBOX_AUG.SCALES"),
    # -- images
    (Range(low=1, some=True), "INPUT.", "MIN_SIZE_TRAIN"),
    (Range(low=-math.inf, count=3), "INPUT.", "PIXEL_MEAN"),
    (Range(without_low=True, count=3), "INPUT.", "PIXEL_STD"),
    (Range(high=0.5), "INPUT.", "HUE"),
    (_FROM_1, "INPUT.", "MAX_SIZE_TRAIN MIN_SIZE_TEST MAX_SIZE_TEST"),
    (_SHARE, "INPUT.", "HORIZONTAL_FLIP_PROB_TRAIN VERTICAL_FLIP_PROB_TRAIN"),
    # -- backbone
    (_POSITIVE, "MODEL.GROUP_NORM.", "EPSILON"),
    (Range(low=-1), "MODEL.GROUP_NORM.", "DIM_PER_GP NUM_GROUPS"),
    (_FROM_1, "MODEL.RESNETS.", "NUM_GROUPS WIDTH_PER_GROUP RES5_DILATION BACKBONE_OUT_CHANNELS RES2_OUT_CHANNELS"),
    (_FROM_1, "MODEL.RESNETS.", "STEM_OUT_CHANNELS DEFORMABLE_GROUPS"),
    (_FROM_1, "MODEL.VGG.", "VGG16_OUT_CHANNELS"),
    # -- detector
    (_ANY, "MODEL.RPN.", "STRADDLE_THRESH"),
    (_SOME_POSITIVE, "MODEL.RPN.", "ASPECT_RATIOS ANCHOR_SIZES"),
    (Range(low=1, some=True), "MODEL.RPN.", "ANCHOR_STRIDE"),
    (_SHARE, "MODEL.RPN.", "FG_IOU_THRESHOLD BG_IOU_THRESHOLD POSITIVE_FRACTION NMS_THRESH"),
    (_FROM_1, "MODEL.RPN.", "RPN_MID_CHANNEL BATCH_SIZE_PER_IMAGE PRE_NMS_TOP_N_TRAIN PRE_NMS_TOP_N_TEST"),
    (_FROM_1, "MODEL.RPN.", "POST_NMS_TOP_N_TRAIN POST_NMS_TOP_N_TEST"),
    (_FROM_1, "MODEL.RPN.", "FPN_POST_NMS_TOP_N_TRAIN FPN_POST_NMS_TOP_N_TEST"),
    (Range(without_low=True, count=4), "MODEL.ROI_HEADS.", "BBOX_REG_WEIGHTS"),
    (_SHARE, "MODEL.ROI_HEADS.", "FG_IOU_THRESHOLD BG_IOU_THRESHOLD POSITIVE_FRACTION NMS SCORE_THRESH"),
    (_FROM_1, "MODEL.ROI_HEADS.", "BATCH_SIZE_PER_IMAGE DETECTIONS_PER_IMG POST_NMS_PER_CLS_TOPN"),
    (_SOME_POSITIVE, "MODEL.ROI_BOX_HEAD.", "POOLER_SCALES"),
    (_FROM_1, "MODEL.ROI_BOX_HEAD.", "POOLER_RESOLUTION MLP_HEAD_DIM CONV_HEAD_DIM NUM_STACKED_CONVS DILATION"),
    (_FROM_1, "MODEL.ROI_BOX_HEAD.", "NUM_CLASSES"),
    (_FROM_1, "MODEL.ROI_ATTRIBUTE_HEAD.", "NUM_ATTRIBUTES MAX_ATTRIBUTES"),
    # -- relation head
    (_BELOW_1, "MODEL.", "REWEIGHT_BETA"),
    (_SHARE, "MODEL.", "REWEIGHT_HEAD_SHARE REWEIGHT_FLOOR"),
    (_FROM_1, "MODEL.", "REWEIGHT_CURRICULUM"),
    (_SHARE, "MODEL.ROI_RELATION_HEAD.", "POSITIVE_FRACTION REL_PROP"),
    (_BELOW_1, "MODEL.ROI_RELATION_HEAD.", "CONTEXT_DROPOUT_RATE PENET_DROPOUT TRANSFORMER.DROPOUT_RATE"),
    (_FROM_1, "MODEL.ROI_RELATION_HEAD.", "BATCH_SIZE_PER_IMAGE NUM_SAMPLE_PER_GT_REL NUM_CLASSES EMBED_DIM"),
    (_FROM_1, "MODEL.ROI_RELATION_HEAD.", "CONTEXT_POOLING_DIM CONTEXT_HIDDEN_DIM CONTEXT_OBJ_LAYER CONTEXT_REL_LAYER"),
    (_FROM_1, "MODEL.ROI_RELATION_HEAD.", "PENET_EMBED_DIM PENET_MLP_DIM VIS_PRO_DIM CON_PRO_DIM"),
    (_FROM_1, "MODEL.ROI_RELATION_HEAD.", "VIS_VAE_INPUT_DIM VIS_VAE_LATENT_DIM CON_VAE_INPUT_DIM CON_VAE_LATENT_DIM"),
    (_FROM_1, "MODEL.ROI_RELATION_HEAD.TRANSFORMER.", "OBJ_LAYER REL_LAYER NUM_HEAD INNER_DIM KEY_DIM VAL_DIM"),
)
_RANGES = {section + key: wanted for wanted, section, keys in _RANGES_OF for key in keys.split()}
_NOT_NEGATIVE = Range()
# Smaller and larger of two keys that have an order.
_ORDERED = tuple(
    (f"MODEL.{section}.BG_IOU_THRESHOLD", f"MODEL.{section}.FG_IOU_THRESHOLD") for section in ("RPN", "ROI_HEADS")
)


def number_ranges(config: Mapping[str, Any]) -> dict[str, str]:
    """What each key that holds a number or a list of numbers takes, in words; an empty list tells only by its rule."""
    return {
        key: _RANGES.get(key, _NOT_NEGATIVE).words(isinstance(value, tuple))
        for key, value in _numbers(config).items()
        if value != () or key in _RANGES
    }


def check_ranges(config: Mapping[str, Any]) -> None:
    """UserError that names the first key whose number, or number of elements, is out of range."""
    numbers = _numbers(config)
    for key, value in numbers.items():
        wanted = _RANGES.get(key, _NOT_NEGATIVE).fault(value)
        if wanted:
            raise UserError(f"{key} is {value!r}, out of range: expected {wanted}")
    for smaller, larger in _ORDERED:
        if numbers[smaller] > numbers[larger]:
            raise UserError(
                f"{smaller} is {numbers[smaller]!r}, out of range: expected at most {larger}, which is"
                f" {numbers[larger]!r}"
            )


def _numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that hold a number or a list of numbers, by full name."""
    return {key: value for key, value in leaves(config) if all(map(_is_number, _elements(value)))}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _elements(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)
