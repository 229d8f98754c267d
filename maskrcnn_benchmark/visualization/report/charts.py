"""Charts of the report, as SVG text to stand in the page."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from maskrcnn_benchmark.evaluation.figures import freq_figures
from maskrcnn_benchmark.utils.console import printable

# The page gives these their colours of the light and the dark theme.
INK, FAINT = "#26262b", "#9a9aa2"
THEMED = {INK: "currentColor", FAINT: "var(--faint)"}
# From nothing to blue, on either ground.
SHADES = LinearSegmentedColormap.from_list("shades", [(0.18, 0.44, 0.7, 0.0), (0.18, 0.44, 0.7, 1.0)])
LINES = ["#2f6fb3", "#d08a1d", "#4aa08a", "#a3487d", "#6b5fb5", "#b3572f", "#5c8a2f", "#777780"]
# What SPLN logs beside its losses: each term's mean weight.
FUSION_WEIGHT = "fusion_"
# A second and third round of the lines' colours.
DASHES = ("-", "--", ":")
# Entries of a metrics.jsonl line that are no losses.
NOT_LOSSES = {"reweight_factor", "iteration", "lr", "gradient_norm", "seconds", "data_seconds", "peak_memory_mib"}
STYLE = {
    "svg.fonttype": "none",  # text stays text, which the browser draws in any script
    "svg.hashsalt": "report",  # the same figures give the same bytes
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


# Of labels that are names: a $ in one begins no formula.
NAMES = {"parse_math": False}


def loss_chart(lines: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Every loss of metrics.jsonl's lines on a logarithmic scale, the sum thick, 0 left out; None without one."""
    found = dict.fromkeys(key for line in lines for key in line)
    names = [name for name in found if name not in NOT_LOSSES and not name.startswith(FUSION_WEIGHT)]
    if not names:
        return None
    with mpl.rc_context(STYLE):
        axes = _axes(7.6, max(3.0, 0.7 + 0.17 * len(names)))  # the legend's height, at least
        axes.set_yscale("log", nonpositive="mask")
        for number, name in enumerate(sorted(names, key=lambda name: name != "loss")):
            points = [(line["iteration"], line[name]) for line in lines if isinstance(line.get(name), int | float)]
            turn, place = divmod(number - 1, len(LINES))
            style = {"color": LINES[place], "linewidth": 0.9, "linestyle": DASHES[turn % len(DASHES)]}
            if name == "loss":
                style = {"color": INK, "linewidth": 1.8}
            _line(axes, points, label=printable(name), **style)
        return _over_iterations(axes, "loss", "Losses over the iterations")


def validation_chart(lines: Sequence[Mapping[str, Any]]) -> Markup | None:
    """R, mR and F (or AP50) of the validations, in percent; None if there is none. Lines of validation.jsonl."""
    names = [f"{figure.name}@{k}" for k in (50, 100) for figure in freq_figures()] + ["AP50"]
    shown = [name for name in names if any(line.get(name) is not None for line in lines)]
    if not shown:
        return None
    with mpl.rc_context(STYLE):
        axes = _axes(7.6, 2.6)
        for number, name in enumerate(shown):
            points = [(line["iteration"], 100 * line[name]) for line in lines if line.get(name) is not None]
            _line(axes, points, label=name, color=LINES[number], linewidth=1.4, marker="o")
        axes.set_ylim(bottom=0)
        return _over_iterations(axes, "%", "Validation figures over the iterations")


def confusion_chart(metrics: Mapping[str, Any]) -> Markup | None:
    """Ground-truth by predicted predicate, rows as shares of the pairs predicted; None without such a pair."""
    counts = np.array(metrics.get("confusion") or [[0]], dtype=float)[1:, 1:]
    names = [printable(name) for name in metrics["per_predicate"]]
    present = np.flatnonzero(counts.sum(axis=1))
    if not len(present):
        return None
    used = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    shares = counts[np.ix_(present, used)] / counts[present].sum(axis=1, keepdims=True)
    with mpl.rc_context(STYLE):
        axes = _axes(1.6 + 0.16 * len(used), 1.4 + 0.16 * len(present))
        picture = axes.imshow(100 * shares, cmap=SHADES, vmin=0, vmax=100, aspect="auto", interpolation="nearest")
        axes.set_xticks(range(len(used)), [names[i] for i in used], rotation=90, fontsize=7, **NAMES)
        axes.set_yticks(range(len(present)), [names[i] for i in present], fontsize=7, **NAMES)
        axes.set_xlabel("predicted")
        axes.set_ylabel("ground truth")
        axes.figure.colorbar(picture, ax=axes, label="% of the row", fraction=0.04, pad=0.02)
        return _svg(axes, "Predicates of the ground truth against predicted ones")


def _axes(width: float, height: float) -> Axes:
    axes = Figure(figsize=(width, height), layout="constrained").add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _line(axes: Axes, points: Sequence[tuple[float, float]], **style: Any) -> None:
    if points:
        style = {"marker": "o" if len(points) == 1 else None} | style  # a single point has no line
        axes.plot(*zip(*points, strict=True), markersize=3, **style)


def _over_iterations(axes: Axes, label: str, title: str) -> Markup:
    axes.set_xlabel("iteration")
    axes.set_ylabel(label)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _svg(axes, title)


def svg_text(figure: Figure) -> str:
    """A figure as an <svg> element, its texts as text where STYLE is in force."""
    text = io.StringIO()
    with warnings.catch_warnings():
        # It measures by its own font, the browser has others.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return text.getvalue()[text.getvalue().index("<svg") :]


def _svg(axes: Axes, title: str) -> Markup:
    """The figure as an <svg> element that shrinks with the page, has its colours, and is read out by its title."""
    element = svg_text(axes.figure)
    opening, rest = element.split(">", 1)
    points = float(re.search(r' width="([\d.]+)pt"', opening).group(1))
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    for color, themed in THEMED.items():
        rest = rest.replace(color, themed)
    attributes = f'role="img" aria-label="{title}" style="max-width: {points * 4 / 3:.0f}px"'
    return Markup(f"{opening} {attributes}>{rest}")  # noqa: S704 (matplotlib escapes the names it draws)
