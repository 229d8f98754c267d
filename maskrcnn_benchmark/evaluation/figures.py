"""
Every figure, once: its key in metrics.json, how it is computed, what it means, where it is shown.

metrics.json, the printed tables, the bootstrap, the figures that a config can name and the report all go by FIGURES: a
new figure is a row of it, and a line of docs/metrics.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from maskrcnn_benchmark.evaluation.averages import HarmonicMean, ImageMean, Measure, PooledRatio, PredicateMean
from maskrcnn_benchmark.evaluation.records import Tally

MODES = ("predcls", "sgcls", "sgdet")
K_VALUES = (20, 50, 100)


@dataclass(frozen=True)
class Figure:
    """
    Args:
        name: its key in metrics.json.
        meaning: one line, which the report shows on hover and docs/metrics.md lists.
        measure: how it is computed from relations, at each K; None of a figure that another evaluator computes.
        section: the key of the dict in metrics.json that it stands in; empty: metrics.json itself.
        heading: what stands before its name where it is shown.
        modes: evaluations that have it.
        shown: whether tables and the report have a row of it.
        beside_freq: whether FREQ's is given beside it, and the lead over it with an interval.
        by_phrase: whether SGDet has it by the phrase rule too.
        percent: shown as a percentage.
    """

    name: str
    meaning: str
    measure: Measure | None = None
    section: str = ""
    heading: str = ""
    modes: tuple[str, ...] = MODES
    shown: bool = True
    beside_freq: bool = False
    by_phrase: bool = True
    percent: bool = True

    @property
    def label(self) -> str:
        """What it is called where it is shown."""
        return f"{self.heading} {self.name}".lstrip()

    def applies(self, mode: str, tally: Tally) -> bool:
        """Whether an evaluation of this mode and with this knowledge of training has the figure."""
        known = tally.thirds is not None or self.measure is None or self.measure.third is None
        return mode in self.modes and known

    def read(self, metrics: Mapping[str, Any]) -> Any:
        """Its entry of a metrics.json: a number, or numbers by K; None where there is none."""
        part = metrics.get(self.section) if self.section else metrics
        return (part or {}).get(self.name)

    def text(self, value: float | None, *, sign: bool = False) -> str:
        """A value as it is shown, with two decimals; a dash for None."""
        if value is None:
            return "–"
        return f"{100 * value if self.percent else value:{'+' if sign else ''}.2f}"

    def texts(self, values: Mapping[str, Any], *keys: str, sign: bool = False) -> list[str]:
        """Several values of a dict as they are shown."""
        return [self.text(values[key], sign=sign) for key in keys]


def _phrase_figure(figure: Figure) -> Figure:
    return replace(
        figure,
        meaning=f"{figure.name} by the phrase rule: labels agree, and the boxes around both objects overlap.",
        measure=None if figure.measure is None else figure.measure.by_phrases(),
        section="phrdet",
        heading="PhrDet",
        modes=("sgdet",),
        shown=figure.name in ("R", "mR"),
        beside_freq=False,
    )


_OWN = (
    Figure(
        "R",
        "Recall: the share of an image's relations that its K best predictions find; mean over images.",
        ImageMean(),
        beside_freq=True,
    ),
    Figure(
        "mR",
        "Mean recall: the recall of each predicate, mean over predicates; one that no image has counts 0.",
        PredicateMean(),
        beside_freq=True,
    ),
    Figure(
        "F",
        "Harmonic mean of R and mR: high only where frequent and rare predicates are both found.",
        HarmonicMean(),
        beside_freq=True,
    ),
    Figure(
        "zR",
        "Zero-shot recall: R over relations whose two labels and predicate never occur together in training.",
        ImageMean(zero_shot=True),
    ),
    Figure("ng-R", "R without graph constraint: a pair may have several predicates.", ImageMean("ng_rank")),
    Figure("ng-mR", "mR without graph constraint: a pair may have several predicates.", PredicateMean("ng_rank")),
    Figure("ng-zR", "zR without graph constraint.", ImageMean("ng_rank", zero_shot=True)),
    Figure(
        "A",
        "Accuracy: as accR, only pairs with a ground-truth relation being ranked: how well predicates are told apart.",
        PooledRatio("pair_rank"),
        modes=("predcls", "sgcls"),
        by_phrase=False,
    ),
    Figure(
        "accR",
        "Relations that the K best predictions find over all relations, each summed over the set.",
        PooledRatio(),
    ),
    Figure("mR-present", "mR over the predicates that occur in these images.", PredicateMean(present_only=True)),
    *(
        Figure(
            f"mR-{third}",
            f"mR over the {rank} third of the predicates by training frequency.",
            PredicateMean(third=third),
            by_phrase=False,
        )
        for third, rank in (("head", "most frequent"), ("body", "middle"), ("tail", "rarest"))
    ),
    Figure(
        "ng-mR-present",
        "mR-present without graph constraint.",
        PredicateMean("ng_rank", present_only=True),
        shown=False,
    ),
)
# In the order of tables and report.
FIGURES = (*_OWN, *(_phrase_figure(figure) for figure in _OWN if figure.by_phrase))

_IOU = "Average precision of boxes by COCO's rules"
DETECTION_FIGURES = (
    Figure("AP", f"{_IOU}, mean over IoU 0.50 to 0.95."),
    Figure("AP50", f"{_IOU}, at IoU 0.5."),
    Figure("AP75", f"{_IOU}, at IoU 0.75."),
    Figure("AR", "Share of the ground-truth boxes found by 100 detections per image, mean over IoU 0.50 to 0.95."),
)
_OPEN: dict[str, Any] = {"section": "open_images", "heading": "Open Images"}
OPEN_IMAGES_FIGURES = (
    Figure("R", "Relations found over all relations, the 2 best predicates of each pair ranked.", **_OPEN),
    Figure("mAP_rel", "Average precision of relations, both boxes to overlap: mean over predicates.", **_OPEN),
    Figure("wmAP_rel", "As mAP_rel, predicates weighted by their number in the ground truth.", **_OPEN),
    Figure("mAP_phr", "Average precision of phrases, the box around both objects to overlap.", **_OPEN),
    Figure("wmAP_phr", "As mAP_phr, predicates weighted by their number in the ground truth.", **_OPEN),
    Figure("score_wtd", "The challenge's score: 0.2 R@50 + 0.4 wmAP_rel + 0.4 wmAP_phr.", **_OPEN),
)


def main_figures() -> dict[str, Figure]:
    """By name, those that stand in metrics.json itself: what the bootstrap resamples."""
    return {figure.name: figure for figure in FIGURES if not figure.section}


def shown_figures() -> tuple[Figure, ...]:
    """Those with a row in tables and report."""
    return tuple(figure for figure in FIGURES if figure.shown)


def freq_figures() -> tuple[Figure, ...]:
    """Those that FREQ is given beside."""
    return tuple(figure for figure in FIGURES if figure.beside_freq)
