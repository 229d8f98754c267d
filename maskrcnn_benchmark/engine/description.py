"""What a checkpoint says of itself, so that the model can be rebuilt from it alone: config, vocabulary, statistics, version."""

from pathlib import Path, PureWindowsPath
from typing import Any

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.node import parse_yaml
from maskrcnn_benchmark.config.paths_catalog import CATALOG_PREFIX
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.sources import visual_features, visual_source
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import named_tensors, read_file

VISUAL_BANK = "roi_heads.relation.predictor.visual.bank"


def describe(cfg: Config, meta: DatasetMeta | None) -> dict[str, Any]:
    """
    The entries of a checkpoint that are no weights: "config" (YAML without any path), "meta" (names and training statistics), "version".

    A path keeps its last part: enough to say that there was a file, nothing about the machine. VIS_PRO_FEATURES 'auto' becomes what the
    prototype file says, for that file does not travel along.
    """
    portable = cfg.clone()
    portable.defrost()
    if cfg.MODEL.RELATION_ON:
        portable.MODEL.ROI_RELATION_HEAD.VIS_PRO_FEATURES = visual_features(cfg)
    _shorten_paths(portable)
    described = {"config": portable.dump(), "version": __version__}
    return described if meta is None else described | {"meta": meta.to_state()}


def with_trained_features(cfg: Config, path: Path | None) -> Config:
    """
    The config in which VIS_PRO_FEATURES 'auto' is what a checkpoint was trained with, if that has visual prototypes: its bank replaces that
    of a prototype file, which need not be there any more.

    Args:
        path: of the weights that will be loaded; None, or a file that cannot be read or does not say, leaves cfg as it is.
    """
    head = cfg.MODEL.ROI_RELATION_HEAD
    if not cfg.MODEL.RELATION_ON or head.VIS_PRO_FEATURES != "auto" or visual_source(cfg) is None or path is None:
        return cfg
    features = _trained_features(path)
    if features not in ("detector", "relation"):
        return cfg
    resolved = cfg.clone()
    resolved.defrost()
    resolved.MODEL.ROI_RELATION_HEAD.VIS_PRO_FEATURES = features
    resolved.freeze()
    return resolved


def _trained_features(path: Path) -> Any:
    """VIS_PRO_FEATURES of a checkpoint that holds visual prototypes; None if it holds none, or does not say."""
    try:
        content = read_file(path)
        if VISUAL_BANK not in named_tensors(content, str(path)):
            return None
        return parse_yaml(content["config"], str(path))["MODEL"]["ROI_RELATION_HEAD"]["VIS_PRO_FEATURES"]
    except (UserError, KeyError, TypeError, AttributeError):  # what is wrong with the file is said when it is loaded
        return None


def _shorten_paths(node: Config) -> None:
    for key, value in node.items():
        if isinstance(value, Config):
            _shorten_paths(value)
        elif isinstance(value, str) and not value.startswith(CATALOG_PREFIX) and ("/" in value or "\\" in value):
            node[key] = PureWindowsPath(value).name  # takes both kinds of slash
