"""Box feature extractors: names, widths, empty input."""

import pytest
import torch

from maskrcnn_benchmark.config import default_config
from maskrcnn_benchmark.modeling import registry
from maskrcnn_benchmark.modeling.roi_heads.box_head import build_box_feature_extractor
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError

BOXES = [BoxList([[0, 0, 30, 30], [10, 5, 90, 60]], (128, 96)), BoxList([], (128, 96))]


def build(name, *, half_out=False, all_levels=False, words=()):
    cfg = default_config()
    keys = {
        "FEATURE_EXTRACTOR": name,
        "MLP_HEAD_DIM": 20,
        "CONV_HEAD_DIM": 6,
        "NUM_STACKED_CONVS": 2,
        "POOLER_RESOLUTION": 4,
    }
    words = [word for key, value in keys.items() for word in (f"MODEL.ROI_BOX_HEAD.{key}", value)] + list(words)
    cfg.merge_from_list([*words, "MODEL.RESNETS.RES2_OUT_CHANNELS", 16, "MODEL.RESNETS.WIDTH_PER_GROUP", 4])
    return build_box_feature_extractor(cfg, 64, half_out=half_out, all_levels=all_levels)


@pytest.mark.parametrize("half_out", [False, True])
@pytest.mark.parametrize("name", sorted(registry.ROI_BOX_FEATURE_EXTRACTORS))
def test_every_extractor_gives_a_vector_a_box(name, half_out):
    extractor = build(name, half_out=half_out).eval()
    features = [torch.randn(2, 64, 6, 8)]
    with torch.no_grad():
        out = extractor(features, BOXES)
        assert out.shape == (2, extractor.out_channels)
        torch.testing.assert_close(out, extractor.embed(extractor.pooler(features, [boxes.bbox for boxes in BOXES])))
        assert extractor(features, [BOXES[1], BOXES[1]]).shape == (0, extractor.out_channels)
    assert extractor.out_channels == build(name).out_channels // (2 if half_out else 1)


def test_names_of_published_heads():
    assert [name for name, _ in build("FPN2MLPFeatureExtractor").named_parameters()] == [
        "fc6.weight",
        "fc6.bias",
        "fc7.weight",
        "fc7.bias",
    ]
    assert all(
        name.startswith("head.layer4.") for name, _ in build("ResNet50Conv5ROIFeatureExtractor").named_parameters()
    )


def test_half_the_output_is_half_of_fc7_alone():
    extractor = build("FPN2MLPFeatureExtractor", half_out=True)
    assert extractor.fc6.out_features == 20 and extractor.fc7.out_features == 10


def test_group_norm_stands_behind_each_layer():
    words = ["MODEL.ROI_BOX_HEAD.USE_GN", True, "MODEL.GROUP_NORM.NUM_GROUPS", 5]
    extractor = build("FPN2MLPFeatureExtractor", words=words)
    assert "fc6.1.weight" in dict(extractor.named_parameters()) and extractor.fc6[0].bias is None


def test_fully_connected_layers_start_kaiming_uniform():
    weight = build("FPN2MLPFeatureExtractor").fc6.weight
    bound = (3 / weight.size(1)) ** 0.5  # a = 1
    assert 0.97 * bound < weight.abs().max() <= bound


def test_an_unknown_extractor_is_an_error_that_lists_the_known():
    with pytest.raises(UserError, match="FPN2MLPFeatureExtractor"):
        build("Fancy")
