"""docs/ablation.md: the table, the intervals and the plot of the quality benchmark."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from maskrcnn_benchmark.engine.ablation.plan import REWEIGHT_BETA, VAE_WEIGHT, Model, Scale
from maskrcnn_benchmark.engine.ablation.work import HEAD_BATCH, Result
from maskrcnn_benchmark.evaluation.bootstrap import paired_bootstrap
from maskrcnn_benchmark.evaluation.figures import K_VALUES, freq_figures
from maskrcnn_benchmark.utils.files import atomic_path, write_text

FIGURES = tuple((figure.name, str(k)) for figure in freq_figures() for k in K_VALUES)
COMPARED = (("F", 50), ("mR", 50))
Results = Mapping[Model, Mapping[int, Result]]

INTRODUCTION = """# Ablation

What the parts of SPLN are worth, on the rendered data set `scenes`. Made by `make ablation`; figures are in percent.

{setting}

All models share one backbone and one pair of feature extractors, those of a PE-Net trained beforehand, frozen: what
differs is the predictor alone, which starts at random with each seed. They are trained alike, {iterations} updates of
{batch} images each, on cached features (`DATALOADER.FEATURE_CACHE`). Reweighting is `MODEL.USE_REWEIGHT PENET`, its
curriculum over the first half of the training, with `REWEIGHT_BETA` {beta}: at the default, made for all of Visual
Genome, background pairs would hardly count on so few images. Visual prototypes are mean union features of that
PE-Net; conceptual ones come from a sentence encoder on the descriptions that ship for `scenes`. Rates, schedules,
`REWEIGHT_BETA` and `VAE_WEIGHT` were chosen on the validation images, not on the test images.

`SPLN` has both prototype files, reweighting and `VAE_WEIGHT` {vae_weight}; each other line of its name says what
differs. `VAE_WEIGHT 1` and gates that stay as they start are what the released code has (docs/spln.md).
"""


def write_page(
    path: Path,
    scale: Scale,
    results: Results,
    sgdet: Results,
    noisy: Sequence[Mapping],
    *,
    minutes: float | None,
) -> None:
    """
    Writes the page and, beside it, its plot.

    Args:
        path: docs/ablation.md. scale: what was done.
        results: of PredCls, by model and seed. sgdet: of SGDet, empty where it was left out.
        noisy: metrics of SPLN whole with noise at test, a dict per test; empty where it was left out.
        minutes: that the whole took; None where parts were done before.
    """
    some = next(iter(next(iter(results.values())).values())).metrics
    facts = {"iterations": scale.head_iterations, "batch": HEAD_BATCH, "beta": REWEIGHT_BETA, "vae_weight": VAE_WEIGHT}
    parts = [INTRODUCTION.format(setting=_setting(scale, some, minutes), **facts)]
    parts += ["## PredCls", _table(results, some), _caption(scale)]
    parts += [f"![R@50 and mR@50 of the models]({path.stem}.svg)", "## SPLN beside the others", _intervals(results)]
    if noisy:
        parts += ["## Noise left on at test", _noise(results, noisy)]
    if sgdet:
        parts += ["## SGDet", _table(sgdet, None), "One seed, 20 detections per image."]
    write_text(path, "\n\n".join(part.strip("\n") for part in parts) + "\n")
    with atomic_path(path.with_suffix(".svg")) as temporary:
        _plot(temporary, results, some)


def _setting(scale: Scale, metrics: Mapping, minutes: float | None) -> str:
    took = "" if minutes is None else f", {minutes:.0f} minutes in all"
    quick = " This is the quick version (`ABLATION_FLAGS=--quick`), too small to decide anything."
    sizes = f"{scale.sizes.train:,} training images, {metrics['images']:,} test images with relations"
    text = f"{time.strftime('%Y-%m-%d')}: {sizes}, {len(scale.seeds)} seed(s) a model{took}."
    return text if scale.name == "full" else text + quick


def _values(runs: Mapping[int, Result], name: str, k: str) -> np.ndarray:
    """(seeds,) a figure in percent."""
    return np.array([100 * run.metrics[name][k] for run in runs.values()])


def _cell(values: np.ndarray, *, best: bool) -> str:
    text = f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")
    return f"**{text}**" if best else text


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells."""
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    return "\n".join([first, "|---" * len(head) + "|", *others])


def _table(results: Results, frequency: Mapping | None) -> str:
    """Mean and standard deviation over the seeds; the best mean of a column is bold."""
    rows = []
    if frequency is not None:
        rows.append(["FREQ", *(f"{100 * frequency['freq'][name][k]:.1f}" for name, k in FIGURES)])
    best = {figure: max(_values(runs, *figure).mean() for runs in results.values()) for figure in FIGURES}
    for model, runs in results.items():
        values = {figure: _values(runs, *figure) for figure in FIGURES}
        cells = [_cell(values[figure], best=values[figure].mean() >= best[figure]) for figure in FIGURES]
        rows.append([model.name, *cells])
    return _markdown(["model", *(f"{name}@{k}" for name, k in FIGURES)], rows)


def _caption(scale: Scale) -> str:
    spread = "Mean ± standard deviation over the seeds; " if len(scale.seeds) > 1 else ""
    return (
        f"{spread}bold is the best mean of a column. With graph constraint, without rel_nms; F is the harmonic mean of"
        " R and mR."
    )


def _interval(whole: Result, other: Result, name: str, k: int) -> str:
    found = paired_bootstrap(whole.evaluator, other.evaluator, metric=name, k=k)
    ahead, low, high = (100 * found[key] for key in ("difference", "low", "high"))
    return f"{ahead:+.1f} ({low:+.1f} … {high:+.1f})"


def _intervals(results: Results) -> str:
    """The last model, SPLN whole, against each other one, seed by seed."""
    *others, whole = results
    rows = [
        [model.name, str(seed), *(_interval(results[whole][seed], run, name, k) for name, k in COMPARED)]
        for model in others
        for seed, run in results[model].items()
    ]
    return (
        f"How far {whole.name} is ahead of another model of the same seed, with the 95 % interval of a paired"
        " bootstrap over the test images (1,000 draws). An interval without 0 is more than chance of the images.\n\n"
        + _markdown(["ahead of", "seed", *(f"{name}@{k}" for name, k in COMPARED)], rows)
    )


def _noise(results: Results, noisy: Sequence[Mapping]) -> str:
    """The spread of SPLN whole over tests that draw from its VAEs, beside the test that does not."""
    *_, runs = results.values()
    without = next(iter(runs.values())).metrics
    rows = []
    for name, k in [("R", "50"), ("R", "100"), ("mR", "50"), ("mR", "100")]:
        values = np.array([100 * metrics[name][k] for metrics in noisy])
        cells = (100 * without[name][k], values.min(), values.max(), values.std(ddof=1))
        rows.append([f"{name}@{k}", *(f"{value:.2f}" for value in cells)])
    return (
        f"The released code draws from its VAEs at test, too. {len(noisy)} tests of one trained SPLN with"
        " `VAE_NOISE_AT_TEST True`, beside the one test without:\n\n"
        + _markdown(["figure", "without noise", "lowest", "highest", "spread (standard deviation)"], rows)
    )


def _plot(path: Path, results: Results, frequency: Mapping) -> None:
    """R@50 against mR@50, a dot a seed."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams["svg.hashsalt"] = "ablation"
    figure, axes = plt.subplots(figsize=(7.5, 5))
    points = [100 * frequency["freq"][name]["50"] for name in ("R", "mR")]
    axes.scatter(*points, color="gray", marker="s", label="FREQ")
    for model, runs in results.items():
        # SPLN whole, its versions, the others.
        marker = "*" if model.name == "SPLN" else "^" if model.name.startswith("SPLN") else "o"
        axes.scatter(*(_values(runs, n, "50") for n in ("R", "mR")), marker=marker, label=model.name, alpha=0.8)
    _f_lines(axes)
    axes.set_xlabel("R@50, %")
    axes.set_ylabel("mR@50, %")
    axes.set_title("PredCls on scenes; dotted: equal F@50", fontsize=10)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def _f_lines(axes) -> None:
    """Curves of equal F in steps of 2 points, within what is shown."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    recall = np.linspace(left, right, 100)
    for f in range(10, 100, 2):
        with np.errstate(divide="ignore"):
            mean_recall = np.where(2 * recall > f, f * recall / (2 * recall - f), np.nan)
        axes.plot(recall, mean_recall, color="lightgray", linestyle=":", linewidth=0.8, zorder=0)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
