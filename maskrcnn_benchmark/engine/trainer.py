"""The training loop of relation models and detectors: `train` puts the parts together, `Trainer.run` is the loop."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.build import make_data_loader, training_name
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.engine.description import describe
from maskrcnn_benchmark.engine.feature_cache import with_feature_cache
from maskrcnn_benchmark.engine.inference import ValidationPictures, evaluate
from maskrcnn_benchmark.engine.metric_log import MetricLog
from maskrcnn_benchmark.engine.metrics import deciding_metrics, headline, metric_value
from maskrcnn_benchmark.engine.processes import broadcast_model
from maskrcnn_benchmark.engine.resume import Best, TrainingState, load_last, random_state, set_random_state
from maskrcnn_benchmark.engine.run import Run, StopRequest, stop_on_signals
from maskrcnn_benchmark.engine.same_run import check_iterations, check_same_data
from maskrcnn_benchmark.engine.start import detector_is_among, load_start, start_table
from maskrcnn_benchmark.engine.step import TrainingStep, make_scaler, require_finite
from maskrcnn_benchmark.engine.writers import make_writers
from maskrcnn_benchmark.solver import make_optimizer, make_schedule
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.distributed import is_main_process, rank
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.seeding import mix, seed_everything
from maskrcnn_benchmark.utils.weights import require_filled

logger = get_logger(__name__)

FINAL, BEST = "model_final.pth", "model_best.pth"


@dataclass(frozen=True)
class Plan:
    """When what happens, in iterations. A period of 0 means never."""

    max_iter: int
    checkpoint_period: int
    validation_period: int  # and at the last iteration
    validate_first: bool
    gradient_norms_period: int
    best_metric: str
    schedule_metric: str

    @classmethod
    def from_config(cls, cfg: Config) -> "Plan":
        best_metric, schedule_metric = deciding_metrics(cfg)
        return cls(
            max_iter=cfg.SOLVER.MAX_ITER,
            checkpoint_period=cfg.SOLVER.CHECKPOINT_PERIOD,
            validation_period=cfg.SOLVER.VAL_PERIOD if cfg.SOLVER.TO_VAL else 0,
            validate_first=cfg.SOLVER.PRE_VAL,
            gradient_norms_period=cfg.SOLVER.PRINT_GRAD_FREQ,
            best_metric=best_metric,
            schedule_metric=schedule_metric,
        )


def train(cfg: Config, model: nn.Module, run: Run, meta: DatasetMeta) -> nn.Module:
    """
    Trains a relation model or a detector as the config says, or goes on where OUTPUT_DIR's last checkpoint stopped.

    Args:
        model: as build_detection_model returns it, on run.device.
        meta: vocabulary and statistics of the training data, which the checkpoints keep.
    Returns:
        The same model with its final weights.
    Raises:
        UserError: bad weights or data, a number that is not finite, or a table of the model that nothing fills.
        KeyboardInterrupt: the process was asked to stop; a checkpoint has been written.
    """
    plan = Plan.from_config(cfg)
    saved = load_last(run.checkpoints)
    if saved is None:
        loaded = load_start(cfg, model)
        detector = model.task is None or detector_is_among(loaded, model)
    else:
        check_iterations(saved["iteration"], plan.max_iter)
        detector = saved.get("detector")
    broadcast_model(model)
    seed_everything(mix(cfg.SEED, rank()))
    loader = make_data_loader(cfg, "train", task=model.task, sampler_state=None if saved is None else saved["sampler"])
    optimizer, scaler = make_optimizer(cfg, model, model.slow_modules), make_scaler(run.device, cfg.DTYPE)
    schedule = make_schedule(cfg, optimizer)
    data = {"name": training_name(cfg), "images": len(loader.dataset), "annotations": loader.dataset.digest()}
    # Whether the file can find objects by itself: relation training leaves the detector as it starts, at random where
    # no file gave one.
    described = describe(cfg, meta) | {"data": data, "detector": detector}
    state = TrainingState(model, optimizer, schedule, scaler, loader.batch_sampler, Best(plan.best_metric), described)
    if saved is not None:
        check_same_data(saved.get("data"), data)
        state.load(saved, keep_settings=cfg.SOLVER.UPDATE_SCHEDULE_DURING_LOAD)
        del saved
    require_filled(model)
    logger.info("training:\n" + start_table(cfg, model, loader.dataset, state.iteration))
    loader = with_feature_cache(cfg, model, loader, training_name(cfg))
    solver = cfg.SOLVER
    limits = {"clip": solver.GRAD_NORM_CLIP, "skip_nonfinite": solver.SKIP_NONFINITE}
    step = TrainingStep(model, optimizer, scaler, run.device, dtype=cfg.DTYPE, accumulate=solver.ACCUMULATE, **limits)

    def validate() -> dict[str, Any]:
        """The figures on the first data set of DATASETS.VAL decide; the others are written beside them."""
        opens_images = not cfg.DATALOADER.FEATURE_CACHE
        seen = ValidationPictures(meta, cfg.LOG.PICTURES if log.writers and opens_images else 0)
        results = evaluate(cfg, model, run, "val", meta, observe=seen)
        log.write_pictures(state.iteration, seen.pictures)
        return next(iter(results.values()))

    run.note_config()
    place = {"start": state.iteration, "validated": state.validated, "max_iter": solver.MAX_ITER}
    writers = make_writers(cfg, run.output_dir, state.iteration) if is_main_process() else {}
    log = MetricLog(run.output_dir, device=run.device, period=solver.LOG_PERIOD, writers=writers, **place)
    with closing(log), stop_on_signals() as stop:
        Trainer(state, step, iter(loader), validate, plan, run.checkpoints, log, stop).run()
    return model


@dataclass
class Trainer:
    """
    Attributes:
        batches: of the training loader, without end, starting after state.iteration.
        validate: evaluates on the validation split and returns metrics.json's dict, the same in every process.
    """

    state: TrainingState
    step: TrainingStep
    batches: Iterator[Any]
    validate: Callable[[], dict[str, Any]]
    plan: Plan
    checkpoints: Checkpointer
    log: MetricLog
    stop: StopRequest
    _saved: int = field(default=0, init=False)

    def run(self) -> None:
        """
        Trains from state.iteration to MAX_ITER and writes model_final.pth. Whatever ends it before that, the last
        finished iteration is saved first; a request to stop ends it by KeyboardInterrupt.
        """
        started = self.state.iteration
        try:
            self._run(started)
        except (Exception, KeyboardInterrupt):
            self._keep_finished(started)
            raise

    def _run(self, started: int) -> None:
        state, plan = self.state, self.plan
        batches = self.log.timed(self.batches)
        state.model.train()
        state.finish(started)
        if plan.validate_first and started == 0:
            self._validate(counts=False)
        if self._validation_is_due(started) and state.validated < started:
            self._validate()  # the run was stopped between the checkpoint and its validation
        while state.iteration < plan.max_iter and not state.schedule.finished:
            iteration = state.iteration + 1
            lr = state.schedule.set_iteration(iteration)
            state.model.set_iteration(iteration)
            result = self.step(batches, iteration)
            stopping = state.finish(iteration, asked_to_stop=self.stop.asked)
            self.log.tick()
            if _is_due(iteration, plan.gradient_norms_period):
                logger.debug("gradient norms:\n" + gradient_norms(state.model))
            if self.log.is_due(iteration):
                self.log.write(iteration, lr, result.values())
            if stopping or _is_due(iteration, plan.checkpoint_period):
                self._save(_checkpoint_name(iteration))
            if stopping:
                raise KeyboardInterrupt
            if self._validation_is_due(iteration):
                self._validate()
        last = self.checkpoints.last()
        if state.iteration > started or last is None or last.name != FINAL:
            self._save(FINAL)
        if state.finish(state.iteration, asked_to_stop=self.stop.asked):
            raise KeyboardInterrupt

    def _save(self, name: str) -> None:
        self.state.save(self.checkpoints, name)
        self._saved = self.state.iteration

    def _keep_finished(self, started: int) -> None:
        """Saves the last finished iteration after a failure, unless it is saved; what fails now is only logged."""
        iteration = self.state.iteration
        if iteration == max(started, self._saved) or not is_main_process():
            return
        try:
            self.state.save_finished(self.checkpoints, _checkpoint_name(iteration))
            logger.warning(f"stopped by a failure: iteration {iteration} is saved, the same command goes on from there")
        except Exception as error:  # noqa: BLE001 (the failure that brought us here is the one to be raised)
            logger.warning(f"stopped by a failure, and iteration {iteration} could not be saved: {error}")

    def _validation_is_due(self, iteration: int) -> bool:
        period = self.plan.validation_period
        return _is_due(iteration, period) or (iteration == self.plan.max_iter and period > 0)

    def _validate(self, *, counts: bool = True) -> None:
        """Evaluates; a result that counts goes to the schedule and may make a new best model."""
        state, plan = self.state, self.plan
        with self.log.paused():
            require_finite(state.model, self.step.optimizer, f"after iteration {state.iteration}")
            generators = random_state()
            metrics = self.validate()
            set_random_state(generators)
            state.model.train()
            self.log.write_validation(state.iteration, headline(metrics))
            if not counts:
                return
            value, best = metric_value(metrics, plan.best_metric), state.best
            if value is not None and (best.value is None or value > best.value):
                logger.info(f"best {plan.best_metric} so far: {value:.4f} at iteration {state.iteration}")
                if is_main_process():
                    self.checkpoints.save(BEST, state.weights() | {"metrics": headline(metrics)})
                best = Best(plan.best_metric, value, state.iteration)
            # Only now, when nothing can fail any more: a validation that failed is made up for as a whole.
            state.best = best
            state.schedule.add_result(metric_value(metrics, plan.schedule_metric))
            state.validated = state.iteration


def _is_due(iteration: int, period: int) -> bool:
    return period > 0 and iteration % period == 0


def _checkpoint_name(iteration: int) -> str:
    return f"model_{iteration:07d}.pth"


def gradient_norms(model: nn.Module) -> str:
    """Norm of each parameter's gradient after clipping, largest first, a line each."""
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    return "\n".join(f"{norm:.5f} {name}" for name, norm in sorted(norms.items(), key=lambda item: -item[1]))
