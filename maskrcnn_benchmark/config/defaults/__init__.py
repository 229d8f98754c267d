"""Every configuration key with its default and meaning: one module a part of the tree, one block a predictor."""

from maskrcnn_benchmark.config.defaults.data import DATALOADER, DATASETS, INPUT
from maskrcnn_benchmark.config.defaults.detector import add_detector_keys
from maskrcnn_benchmark.config.defaults.model import MODEL
from maskrcnn_benchmark.config.defaults.relation_head import ROI_RELATION_HEAD
from maskrcnn_benchmark.config.defaults.solver import LOG, SOLVER, TEST
from maskrcnn_benchmark.config.node import Config

add_detector_keys(MODEL)
MODEL.ROI_RELATION_HEAD = ROI_RELATION_HEAD

_C = Config()
_C.MODEL = MODEL
_C.INPUT = INPUT
_C.DATASETS = DATASETS
_C.DATALOADER = DATALOADER
_C.SOLVER = SOLVER
_C.LOG = LOG
_C.TEST = TEST

# Where a run writes its config, log, metrics and checkpoints; each run needs a folder of its own.
_C.OUTPUT_DIR = "."
# Number that all random draws of a run derive from.
_C.SEED = 19991001
# Precision of training and evaluation: float32, or float16 and bfloat16 through torch.amp.
_C.DTYPE = "float32"
# Folder with GloVe word vectors, glove.6B.<width>d.txt, .zip or .pt; or packaged: the 50-wide table of the [demo]
# extra.
_C.GLOVE_DIR = "."
# With TEST.CUSTUM_EVAL, where custom_prediction.json and custom_data_info.json go.
_C.DETECTED_SGG_DIR = "."


def default_config() -> Config:
    """A fresh, writable tree of the defaults."""
    return _C.clone()
