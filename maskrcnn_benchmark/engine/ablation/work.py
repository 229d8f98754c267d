"""
The trainings of the quality benchmark. What is finished is not done again.

A detector and, on it, a PE-Net are trained once; the PE-Net's extractors serve all models, frozen, through a cache of
their features. Each model then starts from random weights of its own and is trained and evaluated without an image.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from maskrcnn_benchmark.config import Config, load_config
from maskrcnn_benchmark.config.paths_catalog import data_dir
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.data.scenes.write import write_scenes
from maskrcnn_benchmark.engine.ablation.plan import HEAD, PENET_KEYS, Keys, Model, Scale, compared_models, schedule
from maskrcnn_benchmark.engine.commands import run_test, run_training
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.files import SCORES_FILE, read_scores
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.concepts import extract_conceptual_prototypes
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_json
from maskrcnn_benchmark.utils.log import get_logger, setup_logging
from maskrcnn_benchmark.utils.untrusted import read_json
from maskrcnn_benchmark.utils.weight_files import read_weights

logger = get_logger(__name__)

PREDICTOR = "roi_heads.relation.predictor."
FROZEN = ["MODEL.FREEZE_DETECTOR", "True", HEAD + "FREEZE_FEATURE_EXTRACTORS", "True"]
# What the compared models are trained with, chosen on images that neither training nor test has.
HEAD_BATCH, HEAD_RATE, HEAD_WARMUP = 8, 0.0025, 100
# Half the pairs per image that the demo's files draw: fewer of the background, in half the time.
PAIRS = [HEAD + "BATCH_SIZE_PER_IMAGE", "32", HEAD + "POSITIVE_FRACTION", "0.5"]


@dataclass(frozen=True)
class Result:
    """What a run came to: metrics.json's dict, and the counts that a bootstrap draws from."""

    metrics: dict[str, Any]
    evaluator: SceneGraphEvaluator


@dataclass(frozen=True)
class Workshop:
    """What all runs share; output: their folder, configs: that of the demo's files, overrides: keys and values."""

    scale: Scale
    output: Path
    configs: Path
    device: str
    overrides: Sequence[str] = ()

    # -- what all models share ----------------------------------------------------------------------------------------

    def prepare(self) -> list[Model]:
        """Data, detector, extractors and prototypes; returns the models that can be compared with them."""
        scale = self.scale
        setup_logging()
        write_scenes(data_dir() / scale.data, scale.sizes, workers=len(os.sched_getaffinity(0)))
        backbone = [HEAD + "USE_GT_OBJECT_LABEL", "True"]
        if scale.detector_iterations:
            keys = schedule(scale.detector_iterations, batch=8, rate=0.0025, warmup=100)
            self.run("detector", "detector.yaml", keys, test=False)
            backbone = ["MODEL.FREEZE_DETECTOR", "True"]
            backbone += ["MODEL.PRETRAINED_DETECTOR_CKPT", str(self.output / "detector/model_final.pth")]
        keys = schedule(scale.extractor_iterations, batch=8, rate=0.0025, warmup=100)
        self.run("extractors", "predcls.yaml", [*keys, *backbone, *PENET_KEYS], test=False)
        self._write_shared_weights()
        visual, conceptual = self.output / "visual.pt", self.output / "conceptual.pt"
        keys = [HEAD + "STORE_UNION", "True", HEAD + "VIS_PRO_PATH", str(visual), *self._head_keys(1)]
        self.run("prototypes", "predcls.yaml", keys, test=False, product=visual)
        cfg = self.config("predcls.yaml", [])
        if not conceptual.exists():
            extract_conceptual_prototypes("SENTENCE", "packaged", load_dataset_meta(cfg), conceptual)
        concept_width = torch.load(conceptual, weights_only=True)["prototypes"].size(1)
        widths = {"width": cfg.MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM, "concept_width": concept_width}
        return compared_models(scale, visual, conceptual, **widths)

    def _write_shared_weights(self) -> None:
        """The extractors' run without its predictor: every model starts from a predictor of its own."""
        trained = self.output / "extractors/model_final.pth"
        if self.shared_weights.exists() and self.shared_weights.stat().st_mtime_ns >= trained.stat().st_mtime_ns:
            return
        weights = {name: value for name, value in read_weights(trained).items() if not name.startswith(PREDICTOR)}
        with atomic_path(self.shared_weights) as temporary:
            torch.save({"model": weights}, temporary)

    @property
    def shared_weights(self) -> Path:
        """Backbone, detector and relation extractors that all models have in common."""
        return self.output / "shared.pth"

    def _head_keys(self, iterations: int) -> Keys:
        start = ["MODEL.WEIGHT", str(self.shared_weights), "MODEL.PRETRAINED_DETECTOR_CKPT", "", *FROZEN]
        cache = ["DATALOADER.FEATURE_CACHE", str(self.output / "features"), "TEST.IMS_PER_BATCH", "16"]
        return [*start, *PAIRS, *cache, *schedule(iterations, batch=HEAD_BATCH, rate=HEAD_RATE, warmup=HEAD_WARMUP)]

    # -- what is compared ---------------------------------------------------------------------------------------------

    def compare(self, model: Model, seed: int) -> Path:
        """Trains and tests a model in PredCls; returns the run's folder."""
        keys = [*self._head_keys(self.scale.head_iterations), *model.keys, "SEED", str(seed)]
        return self.run(f"{model.folder}/{seed}", "predcls.yaml", keys)

    def compare_sgdet(self, model: Model, seed: int) -> Path:
        """The same in SGDet."""
        keys = [*self._head_keys(self.scale.sgdet_iterations), *model.keys, "SEED", str(seed)]
        keys += ["MODEL.ROI_HEADS.DETECTIONS_PER_IMG", "20"]
        return self.run(f"{model.folder}/sgdet-{seed}", "sgdet.yaml", keys)

    def test_with_noise(self, model: Model, seed: int) -> Path:
        """Tests a trained SPLN that draws from its VAEs, as released: once with each of the scale's noise_seeds."""
        runs = self.output / model.folder
        weights, folder = runs / f"{seed}/model_final.pth", runs / f"{seed}-noise"
        for noise in self.scale.noise_seeds:
            metrics = self._metrics(folder / str(noise))
            if metrics.exists() and metrics.stat().st_mtime_ns >= weights.stat().st_mtime_ns:
                continue
            keys = [*self._head_keys(1), *model.keys, "MODEL.WEIGHT", str(weights), "SEED", str(noise)]
            keys += [HEAD + "VAE_NOISE_AT_TEST", "True", "OUTPUT_DIR", str(folder / str(noise))]
            run_test(self.config("predcls.yaml", keys), weight_named=True)
        return folder

    def noisy_metrics(self, folder: Path) -> list[dict[str, Any]]:
        """metrics.json's dict of each test with noise."""
        return [read_json(self._metrics(folder / str(noise)), dict) for noise in self.scale.noise_seeds]

    def _metrics(self, folder: Path) -> Path:
        return folder / "inference" / f"{self.scale.data}_test" / "metrics.json"

    def result(self, folder: Path) -> Result:
        """What a finished run left."""
        file = self._metrics(folder)
        return Result(read_json(file, dict), read_scores(file.with_name(SCORES_FILE)))

    # -- one run ------------------------------------------------------------------------------------------------------

    def config(self, file: str, keys: Sequence[str]) -> Config:
        """The config of a run: the demo's file, the benchmark's data, no validation, these keys, the overrides."""
        words = ["SOLVER.TO_VAL", "False", "SOLVER.CHECKPOINT_PERIOD", "200", "SOLVER.LOG_PERIOD", "50"]
        words += ["MODEL.DEVICE", self.device]
        for split in SPLITS:
            words += [f"DATASETS.{split.upper()}", f"('{self.scale.data}_{split}',)"]
        return load_config(self.configs / file, [*words, *keys, *self.overrides])

    def run(self, name: str, file: str, keys: Sequence[str], *, test: bool = True, product: Path | None = None) -> Path:
        """
        Trains and tests, unless that is done already with the same config, weights, prototypes and annotations.

        Args:
            name: folder of the run under `output`.
            product: a file that the run makes beside its folder.
        Returns:
            The run's folder.
        """
        folder = self.output / name
        cfg = self.config(file, [*keys, "OUTPUT_DIR", str(folder)])
        head, data = cfg.MODEL.ROI_RELATION_HEAD, dataset_entry(f"{self.scale.data}_train").files
        files = [cfg.MODEL.WEIGHT, cfg.MODEL.PRETRAINED_DETECTOR_CKPT, head.VIS_PRO_PATH, head.CON_PRO_LLAMA_PATH]
        made_from = {
            "config": cfg.dump(),
            "files": [_stamp(path) for path in (*files, *map(str, data.values())) if path != str(product)],
        }
        record = folder / "made_from.json"
        known = read_json(record, dict, f"remove {folder}, to make it anew") if record.exists() else {}
        if not known and folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} holds something that is no run of this benchmark: name another --output")
        if known.get("what") != made_from:
            shutil.rmtree(folder, ignore_errors=True)
        elif known["finished"] and (product is None or product.exists()):
            return folder
        write_json(record, {"what": made_from, "finished": False})
        run_training(cfg, skip_test=not test)
        write_json(record, {"what": made_from, "finished": True})
        return folder


def _stamp(path: str) -> list[int]:
    """Size and time of change of a file; nothing for one that is not there or not a file of its own."""
    stat = Path(path).stat() if path and Path(path).is_file() else None
    return [] if stat is None else [stat.st_size, stat.st_mtime_ns]
