"""SGD with the parameter groups of the published recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)


@dataclass(frozen=True)
class ParameterRule:
    """
    Learning rate and weight decay of a parameter by its name: one that holds "bias" learns at rate · bias_factor with
    decay bias_decay; a parameter of one of `slow_modules` learns so many times slower on top.
    """

    rate: float
    decay: float
    bias_factor: float = 1.0
    bias_decay: float = 0.0
    slow_modules: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, name: str) -> tuple[float, float]:
        """Name -> (learning rate, weight decay)."""
        rate, decay = self.rate, self.decay
        if "bias" in name:
            rate, decay = rate * self.bias_factor, self.bias_decay
        for module, ratio in self.slow_modules.items():
            if name.startswith(f"{module}."):
                rate /= ratio
        return rate, decay


def learning_rate_rule(cfg) -> tuple[float, str]:
    """
    The base learning rate that is really used, and the sentence that says where it comes from.

    As published, SOLVER.BASE_LR is multiplied by the images of one update: SOLVER.IMS_PER_BATCH of all processes
    together, and of SOLVER.ACCUMULATE such batches. SCALE_LR_BY_BATCH False takes it as it stands.
    """
    base, batch = cfg.SOLVER.BASE_LR, cfg.SOLVER.IMS_PER_BATCH * cfg.SOLVER.ACCUMULATE
    if not cfg.SOLVER.SCALE_LR_BY_BATCH:
        rule = "SOLVER.BASE_LR (SOLVER.SCALE_LR_BY_BATCH is False: not multiplied by the batch)"
        return base, f"learning rate {base:g} = {rule}"
    scaled = base * batch
    accumulated = f" x SOLVER.ACCUMULATE {cfg.SOLVER.ACCUMULATE}" if cfg.SOLVER.ACCUMULATE > 1 else ""
    rule = f"SOLVER.BASE_LR {base:g} x SOLVER.IMS_PER_BATCH {cfg.SOLVER.IMS_PER_BATCH}{accumulated}"
    return scaled, f"learning rate {scaled:g} = {rule} (SOLVER.SCALE_LR_BY_BATCH); {batch} images per update"


def parameter_groups(model: nn.Module, rule: ParameterRule) -> list[dict]:
    """
    The trained parameters of a model in groups of equal learning rate and decay, which take few calls to update, as
    torch's optimizers take them; their names under "names".
    """
    groups: dict[tuple[float, float], dict] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate, decay = rule(name)
        group = groups.setdefault((rate, decay), {"params": [], "names": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def make_optimizer(cfg, model: nn.Module, slow_modules: Mapping[str, float] | None = None) -> torch.optim.SGD:
    """
    SGD with momentum over the trained parameters of a model; logs the learning rate with its rule.

    Args:
        slow_modules: modules that learn slower than the rest, and how many times, by name.
    Raises:
        UserError: nothing is trained.
    """
    rate, told = learning_rate_rule(cfg)
    rule = ParameterRule(
        rate=rate,
        decay=cfg.SOLVER.WEIGHT_DECAY,
        bias_factor=cfg.SOLVER.BIAS_LR_FACTOR,
        bias_decay=cfg.SOLVER.WEIGHT_DECAY_BIAS,
        slow_modules=slow_modules or {},
    )
    groups = parameter_groups(model, rule)
    if not groups:
        raise UserError(
            "no parameter is trained: every module of this model is frozen (MODEL.FREEZE_DETECTOR, MODEL.RELATION_ON)"
        )
    logger.info(told)
    for module, ratio in rule.slow_modules.items():
        logger.info(f"{module} learns {ratio:g} times slower, as the relation predictor asks")
    # Torch's own form: the fused one takes a first momentum that an overflowing float16 update has left unwritten.
    return torch.optim.SGD(groups, lr=rule.rate, momentum=cfg.SOLVER.MOMENTUM)
