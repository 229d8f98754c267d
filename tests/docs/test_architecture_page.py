"""The page on the architecture and its drawing name what is there."""

import re

from docs.commands import ROOT

PACKAGE = ROOT / "maskrcnn_benchmark"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DRAWING = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")


def is_there(path: str) -> bool:
    """Whether some file or folder of the repository has a path that ends so."""
    return any(ROOT.glob(path)) or any(PACKAGE.rglob(path.rstrip("/")))


def test_every_folder_of_the_package_has_its_row():
    listed = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)/`", row)}
    assert listed == {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_every_path_of_page_and_drawing_is_there():
    paths = [*re.findall(r"`([\w./]+(?:/|\.py))`", PAGE), *re.findall(r'class="code left"[^>]*>([^<]+)<', DRAWING)]
    assert len(paths) > 30
    assert [path for path in paths if not is_there(path)] == []


def test_every_class_and_name_in_capitals_is_in_the_code():
    words = set(re.findall(r"`([A-Z]\w+)`", PAGE)) | set(
        re.findall(r"\b(?:Regions|PairBatch|SceneGraph|BoxList)\b", DRAWING)
    )
    code = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert len(words) > 8
    assert {word for word in words if not re.search(rf"\b(class {word}\b|{word} = )", code)} == set()
