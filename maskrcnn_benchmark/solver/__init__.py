"""How weights move: the optimizer's groups and the schedules of the learning rate."""

from maskrcnn_benchmark.solver.optimizer import learning_rate_rule, make_optimizer
from maskrcnn_benchmark.solver.schedules import WarmupMultiStepLR, WarmupReduceLROnPlateau, make_schedule

__all__ = ["WarmupMultiStepLR", "WarmupReduceLROnPlateau", "learning_rate_rule", "make_optimizer", "make_schedule"]
