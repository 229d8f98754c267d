"""Puts the report together: one HTML file with its charts and pictures inside, readable without a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.evaluation.figures import DETECTION_FIGURES, freq_figures
from maskrcnn_benchmark.evaluation.table import figure_rows
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.visualization.report import charts
from maskrcnn_benchmark.visualization.report.pictures import run_pictures
from maskrcnn_benchmark.visualization.report.run_files import RunFiles

TEMPLATE = Path(__file__).with_name("page.html.j2")
# Settings of config.yml that the head of the page names.
SHOWN_SETTINGS = {
    "Predictor": "MODEL.ROI_RELATION_HEAD.PREDICTOR",
    "Backbone": "MODEL.BACKBONE.CONV_BODY",
    "Training data": "DATASETS.TRAIN",
    "Iterations": "SOLVER.MAX_ITER",
    "Images a step": "SOLVER.IMS_PER_BATCH",
    "Base learning rate": "SOLVER.BASE_LR",
    "Seed": "SEED",
}


def write_report(output_dir: str | Path, path: str | Path | None = None, *, pictures: int = 10) -> Path:
    """
    Writes the report of a run.

    Args:
        output_dir: OUTPUT_DIR of a training or an evaluation.
        path: the HTML file; by default report.html in it.
        pictures: at most that many an evaluation.
    Returns:
        The file written.
    Raises:
        UserError: nothing to report, or a damaged file.
    """
    run = RunFiles.read(output_dir)
    path = Path(path) if path is not None else run.folder / "report.html"
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        title=run.folder.resolve().name,
        version=__version__,
        settings=_settings(run),
        evaluations=[_evaluation(run, name, metrics, pictures) for name, metrics in run.evaluations.items()],
        loss_chart=_markup(charts.loss_chart(run.training)),
        validation_chart=_markup(charts.validation_chart(run.validation)),
        last=run.training[-1] if run.training else None,
    )
    write_text(path, page)
    return path


def _settings(run: RunFiles) -> dict[str, str]:
    values = {label: run.setting(key) for label, key in SHOWN_SETTINGS.items()}
    return {
        label: ", ".join(map(str, v)) if isinstance(v, list | tuple) else str(v)
        for label, v in values.items()
        if v not in (None, "")
    }


def _evaluation(run: RunFiles, name: str, metrics: Mapping[str, Any], pictures: int) -> dict[str, Any]:
    """What the template shows of one data set."""
    common = {"name": name, "mode": metrics["mode"], "images": metrics.get("images"), "detection": _detection(metrics)}
    if "per_predicate" not in metrics or "R" not in metrics:
        return common | {"headline": [], "rows": [], "charts": [], "choices": {}, "pictures": []}
    freq = metrics.get("freq") or {}
    ks = list(metrics["R"])
    rows = [
        (
            figure,
            [figure.text(values.get(k)) for k in ks],
            [figure.text(freq[figure.name].get(k)) if figure.beside_freq and figure.name in freq else "" for k in ks],
        )
        for figure, values in figure_rows(metrics)
    ]
    return common | {
        "ks": ks,
        "headline": _headline(metrics),
        "rows": rows,
        "with_freq": bool(freq),
        "charts": [
            (f"Recall of every predicate, @{ks[1]}", _markup(charts.predicate_chart(metrics, ks[1]))),
            ("Confusion of predicates", _markup(charts.confusion_chart(metrics))),
        ],
        "choices": {key.replace("_", " "): _text(value) for key, value in (metrics.get("choices") or {}).items()},
        "pictures": run_pictures(run.folder, name, pictures),
    }


def _headline(metrics: Mapping[str, Any], k: str = "50") -> list[dict[str, str]]:
    """R, mR and F at k beside FREQ's, with the interval of the lead where the metrics hold it."""
    tiles = []
    for figure in freq_figures():
        name = figure.name
        value = (metrics.get(name) or {}).get(k)
        other = ((metrics.get("freq") or {}).get(name) or {}).get(k)
        lead = ((metrics.get("freq") or {}).get("lead") or {}).get(f"{name}@{k}")
        note = "" if other is None else f"FREQ {figure.text(other)}"
        if lead:
            note += f"; lead {100 * lead['low']:+.2f} to {100 * lead['high']:+.2f} (95 %)"
        tiles.append({"name": f"{name}@{k}", "value": figure.text(value), "note": note})
    return tiles


def _detection(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(figure.name, figure.text(metrics[figure.name])) for figure in DETECTION_FIGURES if figure.name in metrics]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return (
        {None: "none", True: "yes", False: "no"}.get(value, str(value))
        if value is None or isinstance(value, bool)
        else str(value)
    )


def _markup(svg: str | None) -> Markup | None:
    """A chart's own SVG is put in as it is; its texts were escaped by matplotlib."""
    return None if svg is None else Markup(svg)  # noqa: S704
