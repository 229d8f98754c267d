"""A run's results as one HTML page: run_files.py reads, charts.py and pictures.py draw, page.py puts together."""

from maskrcnn_benchmark.visualization.report.page import write_report

__all__ = ["write_report"]
