"""
DATALOADER.FEATURE_CACHE: the features of a relation model's frozen extractors, of all entities and all ordered pairs of
an image, made once; after that no image is read.

Boxes are the ground truth's in PredCls and SGCls, the frozen detector's in SGDet. Images are neither mirrored nor
recoloured, and each is computed by itself, without the padding that a batch may bring.
"""

import copy
import fcntl
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.cached_dataset import ENTITIES, RELATION, CachedDataset
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.feature_cache import FeatureFiles, cache_folder, to_half
from maskrcnn_benchmark.data.loader import EvaluationLoader, TrainingLoader
from maskrcnn_benchmark.data.transforms import Transform
from maskrcnn_benchmark.engine.resume import random_state, set_random_state
from maskrcnn_benchmark.engine.step import autocast
from maskrcnn_benchmark.structures.bounding_box import IMAGE_FIELDS, BoxList
from maskrcnn_benchmark.structures.regions import Regions
from maskrcnn_benchmark.utils.distributed import all_gather_objects, barrier, is_main_process, rank, world_size
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once
from maskrcnn_benchmark.utils.progress import progress

logger = get_logger(__name__)

# Unordered pairs whose features are computed at a time.
_PAIRS_AT_ONCE = 512
# Images between two writes.
_IMAGES_AT_ONCE = 16
# While another run fills the same cache.
_SECONDS_BETWEEN_TRIES = 1.0
Arrays = dict[str, tuple[str, np.ndarray]]
AnyLoader = TrainingLoader | EvaluationLoader


def with_feature_cache(cfg: Config, model: nn.Module, loader: AnyLoader, name: str) -> AnyLoader:
    """
    The loader as it came, or, with DATALOADER.FEATURE_CACHE, one of the same batches that brings features in place of
    images. Features that are missing are made and written first.

    Args:
        model: with the weights that it is trained or evaluated with.
        loader: of images. name: of its data set in the catalog.
    Raises:
        UserError: keys that contradict the cache, features beyond float16, or a cache folder that holds something else.
    """
    if not cfg.DATALOADER.FEATURE_CACHE or not cfg.MODEL.RELATION_ON:
        return loader
    training = isinstance(loader, TrainingLoader)
    min_size, max_size = _check_keys(cfg, training)
    groups = [RELATION] + [ENTITIES] * (not model.task.uses_gt_labels)
    folders = _folders(cfg, model, loader, name, groups, (min_size, max_size))
    images = copy.copy(loader.dataset)
    images.transform = Transform(min_sizes=(min_size,), max_size=max_size)
    _fill(cfg, model, images, folders, training)
    files = {group: FeatureFiles(folder) for group, folder in folders.items()}
    logger.info(f"{name}: features of {len(files[RELATION])} images from {', '.join(str(f) for f in folders.values())}")
    cached = CachedDataset(
        loader.dataset, files, min_size=min_size, max_size=max_size, given_boxes=model.task.uses_gt_boxes
    )
    return type(loader)(cached, loader.batch_sampler)


def _check_keys(cfg: Config, training: bool) -> tuple[int, int]:
    """The sizes of the images' sides. UserError if the config trains what the features come from, or draws sizes."""
    if not cfg.MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS or not cfg.MODEL.FREEZE_DETECTOR:
        raise UserError(
            f"DATALOADER.FEATURE_CACHE {cfg.DATALOADER.FEATURE_CACHE} keeps features that no longer change: set"
            " MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS True and MODEL.FREEZE_DETECTOR True, with a trained"
            " relation model as MODEL.WEIGHT, or leave FEATURE_CACHE empty"
        )
    node = cfg.INPUT
    if not training:
        return node.MIN_SIZE_TEST, node.MAX_SIZE_TEST
    transform = Transform.from_config(cfg, training=True)
    if len(transform.min_sizes) != 1:
        raise UserError(
            f"DATALOADER.FEATURE_CACHE keeps an image in one size: INPUT.MIN_SIZE_TRAIN is {transform.min_sizes},"
            " name one"
        )
    if transform.hflip or transform.vflip or transform.jitter:
        warn_once(logger, "DATALOADER.FEATURE_CACHE: images are not mirrored or recoloured, whatever INPUT says")
    return transform.min_sizes[0], transform.max_size


def _folders(
    cfg: Config, model: nn.Module, loader: AnyLoader, name: str, groups: Sequence[str], sizes: tuple[int, int]
) -> dict[str, Path]:
    """Folder of each group of arrays; each has the key of what its own arrays depend on."""
    head, node, detected = cfg.MODEL.ROI_RELATION_HEAD, cfg.MODEL, not model.task.uses_gt_boxes
    files = [path for what, path in dataset_entry(name).files.items() if what != "images"]
    if model.proposals is not None:
        files.append(Path(cfg.DATASETS.PROPOSALS))
    settings: dict[str, Any] = {
        "sizes": sizes,
        "pixels": [
            cfg.INPUT.PIXEL_MEAN,
            cfg.INPUT.PIXEL_STD,
            cfg.INPUT.TO_BGR255,
            cfg.DATALOADER.SIZE_DIVISIBILITY,
            cfg.DTYPE,
        ],
        "backbone": [node.BACKBONE.CONV_BODY, node.FPN, node.GROUP_NORM, node.RESNETS, node.ROI_BOX_HEAD],
        "extractor": [head.FEATURE_EXTRACTOR, head.POOLING_ALL_LEVELS],
        "annotated": loader.dataset.boxes_digest(),
    }
    if detected:
        training = isinstance(loader, TrainingLoader)
        settings["detected"] = [training, node.RPN, node.ROI_HEADS, head.ADD_GTBOX_TO_PROPOSAL_IN_TRAIN]
    modules = {
        RELATION: [f"roi_heads.relation.{part}_feature_extractor" for part in ("box", "att", "union")],
        ENTITIES: ["roi_heads.box"],
    }
    boxes_from = ["rpn", "roi_heads.box"] if detected else []
    folders = {}
    for group in groups:
        weights = digest(model, ["backbone", *boxes_from, *modules[group]])
        folders[group] = cache_folder(
            cfg.DATALOADER.FEATURE_CACHE, f"{name}-{group}", weights=weights, files=files, settings=settings
        )
    return folders


def digest(model: nn.Module, modules: Sequence[str]) -> str:
    """A digest of the names, shapes and values of all weights and buffers in some modules, given by their names."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        if name.startswith(tuple(module + "." for module in modules)) and not name.endswith("num_batches_tracked"):
            found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _fill(cfg: Config, model: nn.Module, images: Any, folders: Mapping[str, Path], training: bool) -> None:
    """Makes what the cache lacks, under torchrun each process its share; generators and the model's mode stay."""
    with _one_run_at_a_time(folders.values()):
        files = {group: FeatureFiles(folder) for group, folder in folders.items()}
        ids = [images.get_img_info(index)["image_id"] for index in range(len(images))]
        missing = [i for i, image_id in enumerate(ids) if any(image_id not in group for group in files.values())]
        barrier()  # before anybody writes, everybody has looked
        if not missing:
            return
        logger.info(f"DATALOADER.FEATURE_CACHE: computing the features of {len(missing)} of {len(images)} images")
        generators, mode = random_state(), model.training
        model.train(training)
        try:
            own = missing[rank() :: world_size()]
            batches = [own[i : i + _IMAGES_AT_ONCE] for i in range(0, len(own), _IMAGES_AT_ONCE)]
            for group in files.values():
                group.cut(rank())
            workers = {"num_workers": cfg.DATALOADER.NUM_WORKERS, "timeout": cfg.DATALOADER.TIMEOUT}
            loader = EvaluationLoader(images, batches, **workers)
            for batch in progress(loader, total=len(batches), desc="features", unit="batch"):
                _write_batch(cfg, model, batch, files)
        finally:
            model.train(mode)
            set_random_state(generators)
        barrier()


def _write_batch(cfg: Config, model: nn.Module, batch: Any, files: Mapping[str, FeatureFiles]) -> None:
    device = next(model.parameters()).device
    written: dict[str, list] = {group: [] for group in files}
    for image, target in zip(batch.images, batch.targets, strict=True):
        image_id = int(target.get_field("image_id"))
        wanted = [group for group in files if image_id not in files[group]]
        with torch.no_grad(), autocast(device, cfg.DTYPE):
            n, groups = image_features(model, image, target, wanted)
        for group in wanted:
            written[group].append((image_id, n, groups[group]))
    for group, images in written.items():
        files[group].add(rank(), images)


def image_features(
    model: nn.Module, image: Tensor, target: BoxList, groups: list[str]
) -> tuple[int, dict[str, Arrays]]:
    """
    What the cache keeps of an image.

    Args:
        image: (3, h, w) uint8. target: in its frame.
        groups: which of RELATION, ENTITIES are wanted.
    Returns:
        n, the number of entities, and by group and name what an array's rows stand for and the array.
    """
    regions = model.regions([image], [target])
    entities = regions.entities[0]
    made: dict[str, Arrays] = {}
    if ENTITIES in groups:
        # What ground-truth boxes have comes from the targets each time.
        given = set(target.fields()) if model.task.uses_gt_boxes else set()
        names = [name for name in entities.fields() if name not in IMAGE_FIELDS | given]
        made[ENTITIES] = {name: ("entity", entities.get_field(name).cpu().numpy()) for name in names}
    if RELATION in groups:
        made[RELATION] = {
            "boxes": ("entity", entities.bbox.float().cpu().numpy()),
            "roi_features": ("entity", _half(regions.entity_features(), "roi_features")),
            **_pair_arrays(regions),
        }
    return len(entities), made


def _pair_arrays(regions: Regions) -> Arrays:
    """Union (and spatial) features of all n·n pairs; (i, j) and (j, i) together, since they share what is pooled."""
    (n,) = regions.counts
    made: dict[str, Tensor] = {}
    for pairs in torch.triu_indices(n, n).t().split(_PAIRS_AT_ONCE):
        both = torch.cat([pairs, pairs.flip(1)])
        found = regions.pair_features([both])
        rows = (both[:, 0] * n + both[:, 1]).to(found.union.device, non_blocking=True)
        for name, values in (("union_features", found.union), ("spatial_features", found.spatial)):
            if values is not None:
                made.setdefault(name, values.new_zeros(n * n, values.size(1)))[rows] = values
    return {name: ("pair", _half(values, name)) for name, values in made.items()}


def _half(values: Tensor, name: str) -> np.ndarray:
    return to_half(values.float().cpu().numpy(), name)


@contextmanager
def _one_run_at_a_time(folders: Any) -> Iterator[None]:
    """
    Keeps a second run that fills the same cache waiting until this one is done; it then finds everything made. The
    first process holds the locks for all; the others hear of every try, and so wait no longer than a group allows.
    """
    with ExitStack() as stack:
        while True:
            held, error = _lock(folders, stack) if is_main_process() else (False, "")
            held, error = all_gather_objects((held, error))[0]
            if error:
                raise UserError(error)
            if held:
                break
            warn_once(
                logger, f"DATALOADER.FEATURE_CACHE: waiting for another run that fills {', '.join(map(str, folders))}"
            )
            time.sleep(_SECONDS_BETWEEN_TRIES)
        yield


def _lock(folders: Any, stack: ExitStack) -> tuple[bool, str]:
    """Takes the locks of some folders until the stack closes: whether all are held, and what is wrong with one."""
    with ExitStack() as tried:
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file = tried.enter_context(open(folder / "lock", "w"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False, ""
            except OSError as error:
                return False, f"DATALOADER.FEATURE_CACHE: {folder} cannot be written ({error.strerror or error})"
        stack.enter_context(tried.pop_all())
    return True, ""
