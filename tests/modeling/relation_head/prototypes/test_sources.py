"""What a config says of its prototype files against what the files say of themselves."""

import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.prototype_embedding import PrototypeEmbeddingNetwork
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.sources import visual_features
from maskrcnn_benchmark.utils.errors import UserError

from ..conftest import HEAD, PREDICATES, WIDTH


@pytest.fixture
def build(toy_cfg, toy_meta, tmp_path):
    """build(visual, conceptual, keys): SPLN on two files whose rows are, as they record, these features. Both are as wide."""

    def make(visual, conceptual, keys=None):
        paths, counts = {}, torch.ones(PREDICATES)
        for key, features in (("VIS_PRO_PATH", visual), ("CON_PRO_LLAMA_PATH", conceptual)):
            paths[HEAD + key] = str(tmp_path / f"{key}.pt")
            bank = torch.randn(PREDICATES, WIDTH)
            write_prototypes(paths[HEAD + key], bank, toy_meta.predicates, counts=counts, features=features, source="a test")
        widths = {HEAD + "CON_PRO_DIM": WIDTH, HEAD + "CON_VAE_INPUT_DIM": WIDTH, HEAD + "CON_PRO_TYPE": "LLAMA"}
        cfg = toy_cfg(task=Task.PREDCLS, keys={**paths, **widths, **(keys or {})})
        return cfg, PrototypeEmbeddingNetwork.from_config(cfg, toy_meta, WIDTH)

    return make


@pytest.mark.parametrize("configured", ["auto", "detector", "relation"])
def test_files_put_at_each_others_key_are_refused(build, configured):
    keys = {HEAD + "VIS_PRO_FEATURES": configured}
    with pytest.raises(UserError, match="VIS_PRO_PATH .*its rows are 'text' features, expected detector or relation"):
        build("text", "text", keys)
    with pytest.raises(UserError, match="CON_PRO_LLAMA_PATH .*its rows are 'detector' features, expected text"):
        build("detector", "detector", {**keys, HEAD + "VIS_PRO_FEATURES": "detector"})


@pytest.mark.parametrize("recorded", ["detector", "relation"])
def test_auto_is_what_the_file_records_and_says_nothing(build, recorded, caplog):
    assert visual_features(build(recorded, "text")[0]) == recorded
    assert "different spaces" not in caplog.text


@pytest.mark.parametrize(("recorded", "configured"), [("detector", "relation"), ("relation", "detector")])
def test_other_features_than_the_file_records_are_used_with_a_warning(build, recorded, configured, caplog):
    assert visual_features(build(recorded, "text", {HEAD + "VIS_PRO_FEATURES": configured})[0]) == configured
    assert f"its rows are {recorded} features, but VIS_PRO_FEATURES is {configured}: pairs and prototypes lie in different" in caplog.text
