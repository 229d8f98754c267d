"""Names in configs to what they stand for."""

import pytest

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.registry import Registry


def test_the_decorator_files_under_a_name_and_returns_its_object():
    backbones = Registry("backbone")

    @backbones.register("R-50")
    def build():
        return 1

    assert backbones["R-50"] is build
    assert list(backbones) == ["R-50"]


def test_an_unknown_name_lists_the_known_ones_and_how_to_add_one():
    backbones = Registry("backbone", hint="A new one needs a file in backbone/.")
    backbones.register("B")(int)
    backbones.register("A")(float)
    with pytest.raises(
        UserError, match=r"unknown backbone 'C'; registered: A, B\. A new one needs a file in backbone/\."
    ):
        backbones["C"]
    assert backbones.get("C") is None


def test_a_name_is_given_once():
    backbones = Registry("backbone")
    backbones.register("A")(float)
    with pytest.raises(ValueError, match="twice"):
        backbones.register("A")(int)
