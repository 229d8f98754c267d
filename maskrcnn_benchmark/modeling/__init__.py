"""
The networks: backbone, proposals, heads, and the detector that joins them. The registries are filled whatever of this
is imported first.
"""

from maskrcnn_benchmark.modeling import registry

__all__ = ["registry"]
