"""Names in configs to what they stand for."""

import pytest

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.registry import Registry


def test_the_decorator_files_under_a_name_and_returns_its_object():
    trunks = Registry("trunk")

    @trunks.register("R-50")
    def build():
        return 1

    assert trunks["R-50"] is build
    assert list(trunks) == ["R-50"]


def test_an_unknown_name_lists_the_known_ones_and_how_to_add_one():
    trunks = Registry("trunk", hint="A new one needs a file in backbone/.")
    trunks.register("B")(int)
    trunks.register("A")(float)
    with pytest.raises(UserError, match=r"unknown trunk 'C'; registered: A, B\. A new one needs a file in backbone/\."):
        trunks["C"]
    assert trunks.get("C") is None


def test_a_name_is_given_once():
    trunks = Registry("trunk")
    trunks.register("A")(float)
    with pytest.raises(ValueError, match="twice"):
        trunks.register("A")(int)
