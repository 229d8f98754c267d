"""Building the model: features of a file, compilation."""

import pytest
import torch

from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError

from .small import META, config, images, targets


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_detection_model(config("predcls"), META).eval()


def test_features_of_a_file_take_the_place_of_the_heads_own(model):
    head = model.roi_heads.relation
    boxes = [BoxList(target.bbox, target.size) for target in targets()]
    maps = model.backbone(torch.stack([image[:, :64, :64] for image in images()]))
    for each in boxes:
        each.add_field("features", torch.rand(len(each), head.box_feature_extractor.out_channels))
    expected = torch.cat([each.get_field("features") for each in boxes])
    assert torch.equal(head.regions(maps, boxes).entity_features(), expected)
    for each in boxes:
        each.add_field("features", torch.rand(len(each), 3))
    with pytest.raises(UserError, match="features are 3 wide, the relation head's 16"):
        head.regions(maps, boxes).entity_features()


@pytest.mark.parametrize(
    "key, said",
    [
        ("MODEL.ROI_BOX_HEAD.NUM_CLASSES", "ROI_BOX_HEAD.NUM_CLASSES is 151, but the data set has 5 object classes"),
        ("MODEL.ROI_RELATION_HEAD.NUM_CLASSES", "RELATION_HEAD.NUM_CLASSES is 151, but the data set has 4 predicates"),
    ],
)
def test_class_counts_that_differ_name_the_key_the_number_and_the_data_set(key, said):
    with pytest.raises(UserError, match=said + ".*set the key to [45], or.*DATASETS.TRAIN"):
        build_detection_model(config("predcls", key, 151), META)


def test_compilation_is_asked_for_and_changes_no_name_and_no_value(model, monkeypatch):
    # The compiler itself takes minutes here: its graphs are run as they were captured.
    compiled = []

    def capture(module, **options):
        compiled.append(type(module).__name__)
        module._compiled_call_impl = torch.compile(module._call_impl, backend="eager", **options)

    monkeypatch.setattr(torch.nn.Module, "compile", capture)
    torch.manual_seed(0)
    other = build_detection_model(config("predcls", "MODEL.COMPILE", True), META).eval()
    assert compiled == ["Backbone", "PENet"]
    assert list(other.state_dict()) == list(model.state_dict())
    with torch.no_grad():
        expected, found = model(images(), targets()), other(images(), targets())
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b.get_field("pred_rel_scores"), a.get_field("pred_rel_scores"), rtol=1e-4, atol=1e-5)
