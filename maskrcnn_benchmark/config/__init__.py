"""The configuration: its keys, how it is read, what task it asks for, and where data sets and weights lie."""

from maskrcnn_benchmark.config.defaults import default_config
from maskrcnn_benchmark.config.load import load_config, load_config_text
from maskrcnn_benchmark.config.node import Config
from maskrcnn_benchmark.config.task import Task

# The defaults as a tree to read, and to merge into where one works without load_config.
cfg = default_config()

__all__ = ["Config", "Task", "cfg", "default_config", "load_config", "load_config_text"]
