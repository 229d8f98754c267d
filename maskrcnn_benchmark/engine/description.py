"""What a checkpoint says of itself, so that the model can be rebuilt from it alone: config, vocabulary, statistics, version."""

from pathlib import PureWindowsPath
from typing import Any

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.paths_catalog import CATALOG_PREFIX
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.sources import visual_features


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


def _shorten_paths(node: Config) -> None:
    for key, value in node.items():
        if isinstance(value, Config):
            _shorten_paths(value)
        elif isinstance(value, str) and not value.startswith(CATALOG_PREFIX) and ("/" in value or "\\" in value):
            node[key] = PureWindowsPath(value).name  # takes both kinds of slash
