"""What a data set format says of itself: each reader module of this folder has one as its FORMAT."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from maskrcnn_benchmark.config.paths_catalog import data_dir
from maskrcnn_benchmark.data.datasets.source import AnnotationSource
from maskrcnn_benchmark.utils.errors import UserError

Files = Callable[[Path, str], dict[str, Path]]


@dataclass(frozen=True, kw_only=True)
class Published:
    """
    A data set with a name of its own.

    Attributes:
        stem: its name in DATASETS.TRAIN, VAL and TEST without _train, _val, _test.
        folder: where it lies, below the folder of the data sets.
        num_val: how many images, the first of the training annotations, are the val split; None where the annotations
            say it themselves.
        exclude_images: ids of images that the annotations are known to lack.
        files: where its files have other names than its format's.
        made_by: the command that makes it; empty where it is fetched.
    """

    stem: str
    folder: str
    num_val: int | None = None
    exclude_images: tuple[int, ...] = ()
    files: Files | None = None
    made_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Format:
    """
    One layout of annotation files.

    Attributes:
        name: in messages and keys of caches.
        files: (folder, split) -> what each path is -> path; "images" is the folder of images, "annotations" the file
            that holds boxes and relations.
        read: (entry, statistics_only) -> what the files say; with statistics_only sizes and ids of images may be left
            out. UserError for what is missing or damaged.
        names_file: which of the files names the classes and predicates.
        published: data sets in this format that have names of their own.
        is_own_folder: whether a folder that is none of these holds a data set in this format.
        evaluators: evaluations beyond recall and mean recall that its data sets are scored by: "open_images".
    """

    name: str
    files: Files
    read: Callable[["DatasetEntry", bool], AnnotationSource]
    names_file: str = "annotations"
    published: tuple[Published, ...] = ()
    is_own_folder: Callable[[Path], bool] = lambda folder: False  # noqa: ARG005 (of no use here)
    evaluators: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """
    One split of one data set.

    Attributes:
        name: as in DATASETS.TRAIN, VAL and TEST.
        format: of its annotations.
        split: "train", "val" or "test".
        files: what each path is -> path, as Format.files gives them.
        num_val, exclude_images: as Published has them.
    """

    name: str
    format: Format
    split: str
    files: dict[str, Path] = field(hash=False)
    num_val: int | None = None
    exclude_images: tuple[int, ...] = ()

    @property
    def names_file(self) -> Path:
        """The file that names the classes and predicates."""
        return self.files[self.format.names_file]

    def require_files(self, *needless: str) -> None:
        """UserError that lists what is missing, if any file is but the needless ones."""
        missing = {what: str(path) for what, path in self.files.items() if not path.exists()}
        if missing.keys() - needless:
            listed = f"{', '.join(missing.values())} {'is' if len(missing) == 1 else 'are'} missing"
            raise UserError(
                f"data set {self.name}: {listed}. DATASET.md says where to get what; the environment variable DATA_DIR"
                f" (now {data_dir()}) says where the folders lie."
            )
