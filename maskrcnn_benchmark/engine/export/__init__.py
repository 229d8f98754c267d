"""A trained relation model as a file for other programs."""

from maskrcnn_benchmark.config import Task

RELATION_HEAD = "relation_head"
# What a graph can be of: the head from features to logits, or the way from an image where a task's things are given.
PARTS = (RELATION_HEAD, *map(str, Task))
