"""What a checkpoint says of itself, so that the model can be rebuilt from it alone: config, vocabulary, statistics, version."""

from pathlib import PureWindowsPath
from typing import Any

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.paths_catalog import CATALOG_PREFIX
from maskrcnn_benchmark.data.meta import DatasetMeta


def describe(cfg: Config, meta: DatasetMeta | None) -> dict[str, Any]:
    """
    The entries of a checkpoint that are no weights: "config" (YAML without any path), "meta" (names and training statistics), "version".

    A path keeps its last part: enough to say that there was a file, nothing about the machine.
    """
    portable = cfg.clone()
    portable.defrost()
    _shorten_paths(portable)
    described = {"config": portable.dump(), "version": __version__}
    return described if meta is None else described | {"meta": meta.to_state()}


def _shorten_paths(node: Config) -> None:
    for key, value in node.items():
        if isinstance(value, Config):
            _shorten_paths(value)
        elif isinstance(value, str) and not value.startswith(CATALOG_PREFIX) and ("/" in value or "\\" in value):
            node[key] = PureWindowsPath(value).name  # takes both kinds of slash
