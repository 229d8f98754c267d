"""The summary of a data set as one HTML file."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure

from maskrcnn_benchmark.data.check.report import Report
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.visualization.report.charts import NAMES, svg_text

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.name }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #d8dee4; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.error { color: #a40e26; font-weight: 600; } .warning { color: #7d4e00; font-weight: 600; } .note { color: #57606a; }
svg { max-width: 100%; height: auto; } code, .examples { overflow-wrap: anywhere; } .examples { color: #57606a;
font-size: .9rem; }
</style>
</head>
<body>
<h1>{{ report.name }}</h1>
<p>{{ [report.objects | length - 1, 0] | max }} object classes, {{ [report.predicates | length - 1, 0] | max }}
predicates.
{{ "No errors." if not report.errors else "Errors: %d." % report.errors }}</p>
<h2>Splits</h2>
<p>Images with a box; relation work uses those with a relation.</p>
<table>
<tr><th>split</th><th class="number">images</th><th class="number">with a relation</th><th class="number">boxes</th>
<th class="number">relations</th><th class="number">boxes per image</th><th class="number">relations per image</th></tr>
{% for name, split in report.splits.items() %}
<tr><td>{{ name }}</td><td class="number">{{ "{:,}".format(split.images) }}</td>
<td class="number">{{ "{:,}".format(split.images_with_relations) }}</td>
<td class="number">{{ "{:,}".format(split.boxes) }}</td>
<td class="number">{{ "{:,}".format(split.relations) }}</td>
<td class="number">{{ "%.1f" | format(split.boxes / split.images) }}</td>
<td class="number">{{ "%.1f" | format(split.relations / split.images) }}</td></tr>
{% endfor %}
</table>
<h2>Findings</h2>
{% if report.findings %}
<table>
<tr><th></th><th class="number">count</th><th>what</th></tr>
{% for finding in report.findings %}
<tr><td class="{{ finding.level }}">{{ finding.level }}</td><td class="number">{{ "{:,}".format(finding.count) }}</td>
<td>{{ finding.what }}{% if finding.examples %}<div class="examples">{{ finding.examples | join(" · ") }}
{%- if finding.count > finding.examples | length %} · …{% endif %}</div>{% endif %}</td></tr>
{% endfor %}
</table>
{% else %}
<p>Nothing odd.</p>
{% endif %}
{% for title, figure, groups in charts %}
<h2>{{ title }}</h2>
{{ figure }}
{% if groups %}
<p>Thirds by rank of training frequency:</p>
<table>
{% for group, names in groups.items() %}<tr><th>{{ group }} ({{ names | length }})</th>
<td>{{ names | join(", ") }}</td></tr>{% endfor %}
</table>
{% endif %}
{% endfor %}
<h2>Files</h2>
<table>{% for what, path in report.files.items() %}<tr><th>{{ what }}</th><td><code>{{ path }}</code></td>
</tr>{% endfor %}</table>
</body>
</html>
"""


def write_page(report: Report, path: str | Path) -> None:
    """Writes the page: one file that needs nothing beside it."""
    charts = []
    if report.splits:
        charts = [
            ("Predicates", _histogram(report, "predicate_counts", report.predicates), report.predicate_groups()),
            ("Object classes", _histogram(report, "object_counts", report.objects), {}),
        ]
    page = Environment(autoescape=True).from_string(_PAGE).render(report=report, charts=charts)
    write_text(path, page)


def _histogram(report: Report, kind: str, names: tuple[str, ...]) -> Markup:
    """Counts by name and split on a log scale, the most frequent of training first, as SVG."""
    leading = report.splits.get("train") or next(iter(report.splits.values()))
    order = np.argsort(-getattr(leading, kind)[1:], kind="stable") + 1
    figure = Figure(figsize=(max(8.0, 0.16 * len(order)), 4.0), layout="constrained")
    axes = figure.subplots()
    for split, summary in report.splits.items():
        counts = getattr(summary, kind)[order]
        shown = np.where(counts > 0, counts, np.nan)
        axes.plot(np.arange(len(order)), shown, marker="o", markersize=3, linewidth=0.8, label=split)
    axes.set_yscale("log")
    axes.set_ylabel("examples (log scale)")
    axes.set_xticks(np.arange(len(order)), [names[i] for i in order], rotation=90, fontsize=6, **NAMES)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    with mpl.rc_context({"svg.fonttype": "none"}):  # names stay text, which the browser draws in any script
        return Markup(svg_text(figure))  # noqa: S704 (matplotlib escapes the names it draws)
