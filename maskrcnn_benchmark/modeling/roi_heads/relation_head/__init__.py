"""
The relation head: which pairs, what they look like, and what relates them. Importing it registers extractors and
predictors.
"""

from maskrcnn_benchmark.modeling.roi_heads.relation_head import features, predictors

__all__ = ["features", "predictors"]
