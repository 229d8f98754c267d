"""The page of keys: what the sources of the defaults say, and nothing that they do not."""

from pathlib import Path

import pytest

from maskrcnn_benchmark.config import cfg, load_config
from maskrcnn_benchmark.config.load import CHOICES
from maskrcnn_benchmark.config.reference import documented_keys, main, reference_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def rows(page):
    """{full name of a key: (default, takes, meaning)} of the page's tables."""
    found, section = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            section = "" if line == "## The run" else line[3:] + "."
        elif line.startswith("| `"):
            key, default, takes, meaning = line.strip("| ").split(" | ")
            found[section + key.strip("`")] = (default.strip("`"), takes, meaning)
    return found


def test_the_page_is_what_the_keys_give(tmp_path):
    main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text() == PAGE.read_text(), "run `make docs`"


def test_every_key_has_one_row_with_its_meaning():
    found = [key.name for key in documented_keys()]
    assert sorted(found) == sorted(cfg.known_keys())
    assert set(rows(reference_page())) == set(found)
    assert all(len(meaning) > 5 for _, _, meaning in rows(reference_page()).values())


def test_the_defaults_of_the_page_are_taken_as_values():
    """Typed as the page has them, they give the default; one list is too long to be written out."""
    shown = {key: default for key, (default, *_) in rows(reference_page()).items() if "…" not in default}
    assert len(shown) == len(cfg.known_keys()) - 1
    words = [
        word
        for key, value in shown.items()
        for word in (key, {"''": "", "null": "None", "1/3": str(1 / 3)}.get(value, value))
    ]
    assert load_config(None, words) == cfg


@pytest.mark.parametrize(
    ("key", "takes"),
    [
        ("SOLVER.MOMENTUM", "at least 0 and below 1"),
        ("SOLVER.MAX_ITER", "a whole number, at least 0"),
        ("MODEL.RPN.STRADDLE_THRESH", "a whole number"),
        ("INPUT.PIXEL_STD", "3 numbers, each above 0"),
        ("INPUT.PIXEL_MEAN", "3 numbers"),
        ("TEST.BBOX_AUG.SCALES", "numbers, each at least 1"),
        ("DATASETS.TRAIN", "a list"),
        ("MODEL.RESNETS.STAGE_WITH_DCN", "a list of True, False"),
        ("MODEL.COMPILE", "True, False"),
        ("MODEL.WEIGHT", "text"),
        ("DATASETS.TO_TEST", "null, `train`, `val`, `test`"),
    ],
)
def test_the_page_says_what_a_key_takes(key, takes):
    assert rows(reference_page())[key][1] == takes


def test_a_part_ends_with_its_section():
    parts = {key.name: key.part for key in documented_keys()}
    assert parts["SOLVER.GAMMA"] == "Learning rate over time" and not parts["TEST.IMS_PER_BATCH"]


def test_words_of_choice_and_angle_brackets_are_shown_as_they_are():
    page = reference_page()
    assert all(f"`{word}`" in page for words in CHOICES.values() for word in words if word)
    assert "glove.6B.&lt;width>d.txt" in page
