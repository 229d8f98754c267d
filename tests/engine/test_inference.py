"""What an evaluation finds in an image, whatever other images are worked on beside it."""

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta, make_data_loader
from maskrcnn_benchmark.engine.inference import predictions
from maskrcnn_benchmark.modeling.detector import build_detection_model

SGDET = ["MODEL.ROI_RELATION_HEAD.USE_GT_BOX", "False", "MODEL.ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL", "False"]


@pytest.mark.parametrize("mode", [[], SGDET], ids=["predcls", "sgdet"])
def test_results_do_not_depend_on_the_images_of_a_step(mode, world):
    """Images of three canvases: padding them to one would move features near their borders, boxes and scores."""
    found = []
    for batch in ("1", "3"):
        cfg = load_config(world / "relation.yaml", ["TEST.IMS_PER_BATCH", batch, *mode])
        torch.manual_seed(4)
        model = build_detection_model(cfg, load_dataset_meta(cfg))
        found.append(
            {
                index: result
                for index, result, _ in predictions(cfg, model, make_data_loader(cfg, "test", task=model.task))
            }
        )
    assert found[0].keys() == found[1].keys() == {0, 1, 2}
    for index, one in found[0].items():
        other = found[1][index]
        assert torch.equal(one.bbox, other.bbox)
        assert torch.allclose(one.get_field("pred_rel_scores"), other.get_field("pred_rel_scores"), rtol=0, atol=1e-6)
