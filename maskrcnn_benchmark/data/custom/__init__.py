"""Your own annotations to a data set to train on, and the configs to do it with."""

from maskrcnn_benchmark.data.custom.configs import write_configs
from maskrcnn_benchmark.data.custom.make import environment, make_dataset
from maskrcnn_benchmark.data.custom.vocabulary import Vocabulary

__all__ = ["Vocabulary", "environment", "make_dataset", "write_configs"]
