"""What an evaluation finds in an image, whatever other images are worked on beside it."""

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta, make_data_loader
from maskrcnn_benchmark.engine.inference import evaluate_relations, predictions
from maskrcnn_benchmark.evaluation.predictions import PredictionFile
from maskrcnn_benchmark.evaluation.saved import Setting, evaluate_saved
from maskrcnn_benchmark.modeling.detector import build_detection_model

from .tiny import spln_overrides

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


def test_saved_predictions_of_spln_say_what_each_score_is_made_of(world):
    cfg = load_config(world / "relation.yaml", ["TEST.SAVE_PREDICTIONS", True, *spln_overrides()])
    meta = load_dataset_meta(cfg)
    torch.manual_seed(4)
    model = build_detection_model(cfg, meta)
    predictor, told = model.roi_heads.relation.predictor, []
    predictor.register_forward_hook(lambda *call: told.append(call[-1].terms))
    loader = make_data_loader(cfg, "test", task=model.task)
    evaluate_relations(cfg, model, loader, meta, name="tiny_test", folder=world / "out")
    file = PredictionFile(world / "out/predictions")
    assert file.terms == predictor.term_names and not model.roi_heads.relation.shows_terms
    images = list(file)
    assert len(images) == 3
    for number, name in enumerate(file.terms):
        computed = torch.cat([terms[name].flatten() for terms in told])
        for image in images:
            kept = torch.from_numpy(image.prediction["terms"][:, number])
            assert len(kept) == len(image.prediction["pairs"])
            assert (computed - kept[:, None]).abs().min(dim=1).values.max() < 1e-6


@pytest.mark.parametrize("mode", [[], SGDET], ids=["predcls", "sgdet"])
def test_saved_predictions_give_the_figures_that_the_model_gave(mode, world):
    cfg = load_config(world / "relation.yaml", ["TEST.SAVE_PREDICTIONS", True, *mode])
    meta = load_dataset_meta(cfg)
    torch.manual_seed(4)
    model = build_detection_model(cfg, meta)
    loader = make_data_loader(cfg, "test", task=model.task)
    given = evaluate_relations(cfg, model, loader, meta, name="tiny_test", folder=world / "out")
    file = PredictionFile(world / "out/predictions")
    assert evaluate_saved(file, Setting(dataset="tiny_test", train_dataset="tiny_train"))[1] == given
