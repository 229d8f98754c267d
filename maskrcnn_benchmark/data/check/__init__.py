"""Looks a data set over: files, images, boxes, relations, vocabularies; and a page that sums it up."""

from maskrcnn_benchmark.data.check.dataset import check_dataset
from maskrcnn_benchmark.data.check.report import Finding, Report

__all__ = ["Finding", "Report", "check_dataset"]
