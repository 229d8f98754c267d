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
        elements = value if isinstance(value, tuple) else (value,)
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
_HEAD = "MODEL.ROI_RELATION_HEAD."

_RANGES: dict[str, Range] = {
    # -- training and evaluation
    "SEED": Range(high=1e18),
    "SOLVER.BASE_LR": _POSITIVE,
    "SOLVER.MOMENTUM": _BELOW_1,
    "SOLVER.STEPS": Range(low=1, rising=True),
    "SOLVER.GAMMA": Range(high=1, without_low=True),
    "SOLVER.WARMUP_FACTOR": _SHARE,
    "SOLVER.SCHEDULE.FACTOR": Range(high=1, without_low=True, without_high=True),
    "TEST.RELATION.IOU_THRESHOLD": Range(high=1, without_low=True),
    "TEST.RELATION.LATER_NMS_PREDICTION_THRES": _SHARE,
    "TEST.BBOX_AUG.SCALES": _FROM_1,
    **dict.fromkeys(
        [f"SOLVER.{name}" for name in ("IMS_PER_BATCH", "ACCUMULATE", "LOG_PERIOD", "SCHEDULE.PATIENCE",
                                            "SCHEDULE.MAX_DECAY_STEP")]
        + ["TEST.IMS_PER_BATCH", "TEST.BBOX_AUG.MAX_SIZE"],
        _FROM_1,
    ),
    # -- images
    "INPUT.MIN_SIZE_TRAIN": Range(low=1, some=True),
    "INPUT.PIXEL_MEAN": Range(low=-math.inf, count=3),
    "INPUT.PIXEL_STD": Range(without_low=True, count=3),
    "INPUT.HUE": Range(high=0.5),
    **dict.fromkeys(["INPUT.MAX_SIZE_TRAIN", "INPUT.MIN_SIZE_TEST", "INPUT.MAX_SIZE_TEST"], _FROM_1),
    **dict.fromkeys(["INPUT.HORIZONTAL_FLIP_PROB_TRAIN", "INPUT.VERTICAL_FLIP_PROB_TRAIN"], _SHARE),
    # -- backbone
    "MODEL.GROUP_NORM.EPSILON": _POSITIVE,
    **dict.fromkeys(["MODEL.GROUP_NORM.DIM_PER_GP", "MODEL.GROUP_NORM.NUM_GROUPS"], Range(low=-1)),
    **dict.fromkeys(
        [
            f"MODEL.RESNETS.{name}"
            for name in (
                "NUM_GROUPS", "WIDTH_PER_GROUP", "RES5_DILATION", "BACKBONE_OUT_CHANNELS", "RES2_OUT_CHANNELS",
                "STEM_OUT_CHANNELS", "DEFORMABLE_GROUPS",
            )
        ]
        + ["MODEL.VGG.VGG16_OUT_CHANNELS"],
        _FROM_1,
    ),  # fmt: skip
    # -- detector
    "MODEL.RPN.STRADDLE_THRESH": _ANY,
    "MODEL.RPN.ASPECT_RATIOS": Range(without_low=True, some=True),
    "MODEL.RPN.ANCHOR_SIZES": Range(without_low=True, some=True),
    "MODEL.RPN.ANCHOR_STRIDE": Range(low=1, some=True),
    "MODEL.ROI_HEADS.BBOX_REG_WEIGHTS": Range(without_low=True, count=4),
    "MODEL.ROI_BOX_HEAD.POOLER_SCALES": Range(without_low=True, some=True),
    **dict.fromkeys(
        [
            f"MODEL.{section}.{name}"
            for section in ("RPN", "ROI_HEADS")
            for name in ("FG_IOU_THRESHOLD", "BG_IOU_THRESHOLD", "POSITIVE_FRACTION")
        ]
        + ["MODEL.RPN.NMS_THRESH", "MODEL.ROI_HEADS.NMS", "MODEL.ROI_HEADS.SCORE_THRESH"],
        _SHARE,
    ),
    **dict.fromkeys(
        ["MODEL.RPN.RPN_MID_CHANNEL", "MODEL.RPN.BATCH_SIZE_PER_IMAGE", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE"]
        + ["MODEL.ROI_HEADS.DETECTIONS_PER_IMG", "MODEL.ROI_HEADS.POST_NMS_PER_CLS_TOPN"]
        + [f"MODEL.RPN.{order}_NMS_TOP_N_{when}" for order in ("PRE", "POST", "FPN_POST") for when in ("TRAIN", "TEST")]
        + [f"MODEL.ROI_BOX_HEAD.{name}" for name in ("POOLER_RESOLUTION", "MLP_HEAD_DIM", "DILATION", "CONV_HEAD_DIM")]
        + ["MODEL.ROI_BOX_HEAD.NUM_STACKED_CONVS"]
        + ["MODEL.ROI_BOX_HEAD.NUM_CLASSES", "MODEL.ROI_ATTRIBUTE_HEAD.NUM_ATTRIBUTES"]
        + ["MODEL.ROI_ATTRIBUTE_HEAD.MAX_ATTRIBUTES"],
        _FROM_1,
    ),
    # -- relation head
    _HEAD + "POSITIVE_FRACTION": _SHARE,
    _HEAD + "CONTEXT_DROPOUT_RATE": _BELOW_1,
    _HEAD + "PENET_DROPOUT": _BELOW_1,
    _HEAD + "TRANSFORMER.DROPOUT_RATE": _BELOW_1,
    _HEAD + "REL_PROP": _SHARE,
    "MODEL.REWEIGHT_BETA": _BELOW_1,
    "MODEL.REWEIGHT_HEAD_SHARE": _SHARE,
    "MODEL.REWEIGHT_CURRICULUM": _FROM_1,
    "MODEL.REWEIGHT_FLOOR": _SHARE,
    **dict.fromkeys(
        [
            _HEAD + name
            for name in (
                "BATCH_SIZE_PER_IMAGE", "NUM_SAMPLE_PER_GT_REL", "CONTEXT_POOLING_DIM", "NUM_CLASSES", "EMBED_DIM",
                "CONTEXT_HIDDEN_DIM", "PENET_EMBED_DIM", "PENET_MLP_DIM", "VIS_PRO_DIM", "VIS_VAE_INPUT_DIM",
                "VIS_VAE_LATENT_DIM", "CON_PRO_DIM", "CON_VAE_INPUT_DIM", "CON_VAE_LATENT_DIM",
                "TRANSFORMER.OBJ_LAYER", "TRANSFORMER.REL_LAYER", "TRANSFORMER.NUM_HEAD", "TRANSFORMER.INNER_DIM",
                "TRANSFORMER.KEY_DIM", "TRANSFORMER.VAL_DIM", "CONTEXT_OBJ_LAYER", "CONTEXT_REL_LAYER",
            )
        ],
        _FROM_1,
    ),  # fmt: skip
}  # fmt: skip
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
