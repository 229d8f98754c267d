"""Puts the report together: one HTML file with its charts and pictures inside, readable without a network."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.evaluation.bootstrap import bootstrap
from maskrcnn_benchmark.evaluation.figures import (
    DETECTION_FIGURES,
    FIGURES,
    K_VALUES,
    OPEN_IMAGES_FIGURES,
    Figure,
    freq_figures,
)
from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.table import figure_rows, open_images_rows
from maskrcnn_benchmark.utils.console import printable
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.visualization.report import charts
from maskrcnn_benchmark.visualization.report.comparison import comparisons, different_settings
from maskrcnn_benchmark.visualization.report.examples import RANKED, examples
from maskrcnn_benchmark.visualization.report.predicates import predicate_rows
from maskrcnn_benchmark.visualization.report.run_files import RunFiles

logger = get_logger(__name__)

TEMPLATES = Path(__file__).parent
# K of what is shown at one K alone.
K = "50"
# Settings of config.yml that the head of the page names.
SHOWN_SETTINGS = {
    "Predictor": "MODEL.ROI_RELATION_HEAD.PREDICTOR",
    "Backbone": "MODEL.BACKBONE.CONV_BODY",
    "Training data": "DATASETS.TRAIN",
    "Iterations": "SOLVER.MAX_ITER",
    "Images per step": "SOLVER.IMS_PER_BATCH",
    "Base learning rate": "SOLVER.BASE_LR",
    "Seed": "SEED",
}


def write_report(
    output_dirs: str | Path | Sequence[str | Path], path: str | Path | None = None, *, pictures: int = 10
) -> Path:
    """
    Writes the report of a run, or of several, compared with the first, and returns its file.

    Args:
        output_dirs: OUTPUT_DIR of a training or an evaluation, or several.
        path: the HTML file; by default report.html in the folder, or comparison.html in the first of several.
        pictures: images shown per evaluation, at most.
    Raises:
        UserError: nothing to report, or a damaged file.
    """
    folders = [output_dirs] if isinstance(output_dirs, str | Path) else list(output_dirs)
    runs = [RunFiles.read(folder) for folder in folders]
    several = len(runs) > 1
    path = Path(path) if path is not None else runs[0].folder / ("comparison.html" if several else "report.html")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    names = _names(runs)
    page = environment.get_template("page.html.j2").render(
        title=", ".join(names),
        version=__version__,
        runs=[_run(run, name, pictures) for run, name in zip(runs, names, strict=True)],
        comparisons=comparisons(runs, names, K) if several else [],
        differing=different_settings(runs) if several else [],
        names=names,
        glossary=(*FIGURES, *DETECTION_FIGURES, *OPEN_IMAGES_FIGURES),
        k=K,
        ranked=RANKED,
    )
    write_text(path, page)
    return path


def _names(runs: Sequence[RunFiles]) -> list[str]:
    """Of each run: its folder's name, or the path where names repeat."""
    names = [run.folder.resolve().name for run in runs]
    return [str(run.folder) if Counter(names)[name] > 1 else name for run, name in zip(runs, names, strict=True)]


def _run(run: RunFiles, name: str, pictures: int) -> dict[str, Any]:
    """What the template shows of one run."""
    settings = {label: run.config.get(key) for label, key in SHOWN_SETTINGS.items()}
    seconds = run.training_seconds()
    facts = {label: _text(value) for label, value in settings.items() if value not in (None, "")}
    return {
        "name": name,
        "facts": facts | ({"Training time": _duration(seconds)} if seconds else {}),
        "evaluations": [_evaluation(run, *item, pictures) for item in run.evaluations.items()],
        "loss_chart": charts.loss_chart(run.training),
        "validation_chart": charts.validation_chart(run.validation),
        "last": run.training[-1] if run.training else None,
    }


def _evaluation(run: RunFiles, name: str, metrics: Mapping[str, Any], pictures: int) -> dict[str, Any]:
    """What the template shows of one data set."""
    common = {
        "name": name,
        "mode": metrics["mode"],
        "images": metrics.get("images"),
        "facts": _facts(run, name, metrics.get("images")),
        "detection": [(f, f.text(metrics[f.name])) for f in DETECTION_FIGURES if f.name in metrics],
        "open_images": open_images_rows(metrics["open_images"]) if metrics.get("open_images") else [],
        "rows": [],
    }
    if "per_predicate" not in metrics or "R" not in metrics:
        return common
    freq, scores = metrics.get("freq", {}), run.scores(name)
    kept = run.evaluation_facts(name).get("predictions") is not False
    if not kept:
        logger.info(
            f"{name}: no images, for this evaluation kept no predictions; TEST.SAVE_PREDICTIONS True writes them"
        )
    if scores is not None:
        logger.info(f"{name}: intervals, from draws of its {metrics.get('images')} images")
    return common | {
        "ks": K_VALUES,
        "headline": [_tile(figure, metrics, scores) for figure in freq_figures()],
        "rows": [
            (figure, [figure.text(values.get(str(k))) for k in K_VALUES], _beside(figure, freq))
            for figure, values in figure_rows(metrics)
        ],
        "predicates": predicate_rows(metrics, K),
        "confusion_chart": charts.confusion_chart(metrics),
        "choices": {key.replace("_", " "): _text(value) for key, value in metrics.get("choices", {}).items()},
        "examples": examples(run.folder, name, metrics, pictures) if kept else [],
    }


def _facts(run: RunFiles, dataset: str, images: int | None) -> dict[str, str]:
    """When and what was evaluated."""
    noted = run.evaluation_facts(dataset)
    facts = {"Date": (noted.get("date") or run.date(dataset)).replace("T", " ").replace("+00:00", " UTC")}
    facts["Checkpoint"] = noted.get("weights") or "not noted"
    if noted.get("seconds") is not None:
        each = f", {noted['seconds'] / images:.3f} s per image" if images else ""
        facts["Time"] = f"{_duration(noted['seconds'])}{each}"
    if noted.get("terms"):
        facts["Active terms"] = ", ".join(noted["terms"])
    return {label: _text(value) for label, value in facts.items()}


def _beside(figure: Figure, freq: Mapping[str, Any]) -> list[str]:
    """FREQ's values of a figure; empty where it has none."""
    return [figure.text(freq[figure.name].get(str(k))) for k in K_VALUES] if figure.label in freq else []


def _tile(figure: Figure, metrics: Mapping[str, Any], scores: SceneGraphEvaluator | None) -> dict[str, Any]:
    """A figure at K with its 95 % interval, FREQ's, and the lead over it, as far as they are known."""
    name, value = f"{figure.name}@{K}", metrics[figure.name].get(K)
    interval = metrics.get("intervals", {}).get(name)
    if interval is None and scores is not None and value is not None:
        interval = bootstrap(scores, figure.name, int(K))
    freq = metrics.get("freq", {})
    lead = (freq.get("lead") or {}).get(name)
    return {
        "name": name,
        "meaning": figure.meaning,
        "value": figure.text(value),
        "interval": None if interval is None else figure.texts(interval, "low", "high"),
        "freq": figure.text(freq[figure.name].get(K)) if figure.name in freq else None,
        "lead": None if lead is None else figure.texts(lead, "low", "high", sign=True),
    }


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 1:
        return f"{seconds:.1f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {int(seconds) % 60} s"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)
