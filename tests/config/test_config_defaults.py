"""The keys: complete, with the published defaults, each with its meaning."""

import re
from pathlib import Path

import pytest
import yaml

from maskrcnn_benchmark.config import cfg, default_config
from maskrcnn_benchmark.config import defaults as defaults_package
from maskrcnn_benchmark.config.load import CHOICES


def leaves(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def as_lists(value):
    return [as_lists(v) for v in value] if isinstance(value, (tuple, list)) else value


@pytest.mark.parametrize("file", ["config-surface.yaml", "config-new.yaml"])
def test_every_known_key_has_its_default_in_value_and_type(shared, file):
    wanted = dict(leaves(yaml.safe_load((shared / "reference" / file).read_text())))
    have = dict(leaves(cfg))
    assert wanted.keys() <= have.keys()
    for key, value in wanted.items():
        assert as_lists(have[key]) == value, key
        assert type(as_lists(have[key])) is type(value), key


def test_every_key_is_explained_on_a_line_of_its_own_above_it():
    folder = Path(defaults_package.__file__).parent
    # Not those that open or hang in a section: `X = Config()`, `_C.MODEL = MODEL`.
    assignment = re.compile(r"[\w.]+\.(\w+) = (?!Config\(\)|\1$)")
    explained = 0
    for file in sorted(folder.glob("*.py")):
        lines = file.read_text().splitlines()
        for above, line in zip(lines, lines[1:], strict=False):
            if assignment.match(line):
                assert above.startswith("# "), f"{file.name}: {line}"
                explained += 1
    assert explained == len(list(leaves(cfg)))


def test_choices_are_keys_and_hold_their_defaults():
    values = dict(leaves(cfg))
    for key, allowed in CHOICES.items():
        assert set(values[key] if isinstance(values[key], tuple) else [values[key]]) <= set(allowed), key


def test_each_tree_of_defaults_is_a_new_one():
    default_config().SOLVER.MAX_ITER = 1
    assert default_config().SOLVER.MAX_ITER == 40000
