"""Weights by name: what is loaded, copied, left, refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weights import load_weights, mark_unfilled, require_filled, unfilled

from .named_module import NamedModule

BOX = "roi_heads.box.feature_extractor."
ENTITY = "roi_heads.relation.box_feature_extractor."
UNION = "roi_heads.relation.union_feature_extractor.feature_extractor."


def filled(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(tuple(shape), generator=generator) for name, shape in shapes.items()}


def assert_holds(model, wanted):
    state = model.state_dict()
    for name, value in wanted.items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize("prefix", ["", "module.module.", "_orig_mod.", "model."])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_kind_of_file_fills_the_model(tmp_path, prefix, wrapper, suffix):
    weights = filled({"a.weight": (3, 2), "a.bias": (3,)})
    content = {prefix + name: value for name, value in weights.items()}
    if suffix == ".safetensors":
        save_file(content, tmp_path / "w.safetensors")
    else:
        torch.save({wrapper: content, "iteration": 5} if wrapper else content, tmp_path / "w.pth")
    model = NamedModule({"a.weight": (3, 2), "a.bias": (3,)})
    report = load_weights(model, tmp_path / f"w{suffix}")
    assert_holds(model, weights)
    assert (sorted(report.loaded), report.initial, report.unused) == (["a.bias", "a.weight"], [], [])


def test_the_report_counts_and_names_what_went_where(caplog):
    caplog.set_level("INFO")
    model = NamedModule({"a.weight": (2,), "b.weight": (2,), "c.weight": (2,)})
    report = load_weights(
        model, {"a.weight": torch.ones(2), "old.weight": torch.ones(2), "c.weight": torch.ones(5)}, ignore=["c"]
    )
    assert (report.loaded, report.initial) == (["a.weight"], ["b.weight", "c.weight"])
    assert (report.unused, report.misshapen) == (["old.weight"], ["c.weight"])
    said = caplog.text
    assert "1 entries loaded, 2 of the model stay as they were, 2 of the file do not fit" in said
    assert all(name in said for name in ("a.weight", "b.weight", "old.weight", "c.weight"))


def test_another_shape_is_an_error_that_lists_every_one():
    model = NamedModule({"a.weight": (2, 3), "b.weight": (2,), "c.weight": (4,)})
    with pytest.raises(
        UserError,
        match=r"2 entries.*a\.weight is \(3, 3\) in the file, \(2, 3\) in the model; b\.weight.*IGNORE_WEIGHTS",
    ):
        load_weights(model, {"a.weight": torch.ones(3, 3), "b.weight": torch.ones(1), "c.weight": torch.ones(4)})
    assert_holds(model, {"c.weight": torch.zeros(4)})


@pytest.mark.parametrize("ignore", ["roi.predictor.weight", "roi.predictor", "roi.*.weight"])
def test_another_shape_may_be_left_out_by_name_section_or_pattern(ignore):
    model = NamedModule({"roi.predictor.weight": (2,), "x": (1,)})
    report = load_weights(model, {"roi.predictor.weight": torch.ones(3), "x": torch.ones(1)}, ignore=(ignore,))
    assert (report.misshapen, report.loaded) == (["roi.predictor.weight"], ["x"])


def test_a_file_of_which_nothing_fits_is_an_error():
    with pytest.raises(UserError, match="none of its 1 entries fits"):
        load_weights(NamedModule({"a": (1,)}), {"b": torch.ones(1)})


def test_numbers_that_are_not_finite_are_an_error_that_names_the_entry():
    weights = filled({"a.weight": (3, 2), "b.bias": (3,), "unused": (2,)})
    weights["b.bias"][1] = float("nan")
    model = NamedModule({"a.weight": (3, 2), "b.bias": (3,)})
    with pytest.raises(UserError, match=r"w: b\.bias holds 1 numbers that are not finite"):
        load_weights(model, weights, name="w")
    assert not any(value.any() for value in model.state_dict().values())
    weights["b.bias"][1], weights["unused"][0] = 0, float("inf")
    load_weights(model, weights)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": {"backbone.a": torch.ones(1)}, "state_dict": {"backbone.a": torch.zeros(1)}}, "under model, state_"),
        ({"model": {"backbone.a": torch.ones(1)}, "rpn.a": torch.zeros(1)}, "under 'model' and beside it"),
    ],
)
def test_two_sets_of_weights_are_refused(content, words):
    with pytest.raises(UserError, match=f"weights holds weights {words}"):
        load_weights(NamedModule({"backbone.a": (1,), "rpn.a": (1,)}), content)


def test_a_file_that_holds_itself_is_refused():
    content: dict = {}
    content["inside"] = content
    with pytest.raises(UserError, match="nested too deeply"):
        load_weights(NamedModule({"backbone.a": (1,)}), content)


def test_values_take_the_model_s_precision_and_arrays_are_tensors_too():
    model = NamedModule({"a": (2,), "b": (2,)})
    load_weights(model, {"a": torch.tensor([0.5, 1.5], dtype=torch.float16), "b": np.array([2.5, 3.5])})
    assert_holds(model, {"a": torch.tensor([0.5, 1.5]), "b": torch.tensor([2.5, 3.5])})


# ---- a detector into a relation model ----

DETECTOR = {BOX + "fc6.weight": (4, 8), BOX + "fc7.bias": (4,), "rpn.head.conv.weight": (2,)}
RELATION = {
    **DETECTOR, ENTITY + "fc6.weight": (4, 8), ENTITY + "fc7.bias": (4,), UNION + "fc6.weight": (4, 8),
    UNION + "fc7.bias": (4,), UNION + "pooler.reduce_channel.0.weight": (3,),
    "roi_heads.relation.union_feature_extractor.rect_conv.0.weight": (3,),
}  # fmt: skip


def test_a_detector_fills_both_relation_extractors():
    model, weights = NamedModule(RELATION), filled(DETECTOR)
    report = load_weights(model, weights)
    for prefix in (BOX, ENTITY, UNION):
        assert_holds(
            model, {prefix + "fc6.weight": weights[BOX + "fc6.weight"], prefix + "fc7.bias": weights[BOX + "fc7.bias"]}
        )
    assert sorted(report.copied) == sorted(
        [ENTITY + "fc6.weight", ENTITY + "fc7.bias", UNION + "fc6.weight", UNION + "fc7.bias"]
    )
    assert sorted(report.initial) == sorted(RELATION.keys() - set(report.loaded))
    assert len(report.initial) == 2  # channel reduction and masks have no source in a detector


def test_a_relation_file_keeps_its_own_extractors():
    model, weights = NamedModule(RELATION), filled(RELATION)
    report = load_weights(model, weights)
    assert_holds(model, weights)
    assert report.copied == []


def test_a_file_with_one_extractor_of_its_own_gets_the_other_copied():
    given = filled(DETECTOR | {ENTITY + "fc6.weight": (4, 8)})
    model = NamedModule(RELATION)
    load_weights(model, given)
    assert_holds(
        model, {ENTITY + "fc6.weight": given[ENTITY + "fc6.weight"], UNION + "fc6.weight": given[BOX + "fc6.weight"]}
    )


def test_a_detector_with_attributes_fills_the_attribute_extractors():
    source = "roi_heads.attribute.feature_extractor.fc6.weight"
    relation = "roi_heads.relation."
    targets = [
        f"{relation}att_feature_extractor.fc6.weight",
        f"{relation}union_feature_extractor.att_feature_extractor.fc6.weight",
    ]
    model = NamedModule(dict.fromkeys([source, *targets], (2,)))
    report = load_weights(model, {"module." + source: torch.tensor([1.0, 2.0])})
    assert report.copied == targets
    assert_holds(model, {name: torch.tensor([1.0, 2.0]) for name in targets})


def test_a_backbone_s_last_stage_fills_a_c4_head_and_its_copies():
    stage, head = "layer4.0.conv1.weight", "roi_heads.{}.head.layer4.0.conv1.weight"
    targets = [head.format("box.feature_extractor"), head.format("relation.box_feature_extractor")]
    model = NamedModule(dict.fromkeys(targets, (2,)))
    assert load_weights(model, {stage: torch.tensor([1.0, 2.0])}).copied == targets[1:]
    assert_holds(model, {name: torch.tensor([1.0, 2.0]) for name in targets})


def test_further_copies_can_be_asked_for():
    model = NamedModule({"new.weight": (2,), "old.weight": (2,)})
    assert load_weights(model, {"old.weight": torch.ones(2)}, copies=[("new.", "old.")]).copied == ["new.weight"]


@pytest.mark.parametrize("name", ["detector", "penet"])
def test_published_names_fill_a_model_of_published_names_wholly(shared, name):
    names = json.loads((shared / f"reference/state_dict_{name}_X101.json").read_text())
    shapes = {key: [min(side, 2) for side in shape] for key, shape in names.items()}
    model, weights = NamedModule(shapes), filled(shapes)
    report = load_weights(model, {"module." + key: value for key, value in weights.items()})
    assert (len(report.loaded), report.initial, report.unused) == (len(names), [], [])
    assert_holds(model, weights)


# ---- tables that wait for their weights ----


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(3, 2)
        self.alias = self.words
        mark_unfilled(self.words, "weight", "GLOVE_DIR datasets: no glove.6B.300d.txt")


@pytest.mark.parametrize("name", ["table.words.weight", "table.alias.weight"])
def test_a_table_waits_until_weights_fill_it_under_any_of_its_names(name):
    model = nn.ModuleDict({"table": Embedding(), "other": nn.Linear(2, 1)})
    assert list(unfilled(model)) == ["table.words.weight"]
    load_weights(model, {"other.weight": torch.ones(1, 2)})
    with pytest.raises(UserError, match=r"GLOVE_DIR datasets: no glove\.6B\.300d\.txt.*table\.words\.weight"):
        require_filled(model)
    report = load_weights(model, {name: torch.ones(3, 2)})
    require_filled(model)
    assert sorted(report.loaded) == ["table.alias.weight", "table.words.weight"]


def test_a_mark_can_be_set_from_above_and_at_the_top():
    model = nn.Linear(2, 2)
    mark_unfilled(model, "weight", "a file")
    load_weights(model, {"weight": torch.ones(2, 2)})
    require_filled(model)
    outer = nn.ModuleDict({"inner": nn.Linear(2, 2)})
    mark_unfilled(outer, "inner.weight", "a file")
    load_weights(outer, {"inner.weight": torch.ones(2, 2)})
    require_filled(outer)
