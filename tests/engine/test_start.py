"""Where weights come from: the detector file, MODEL.WEIGHT over it, what is refused, and what a test takes."""

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.engine.commands import weights_to_test
from maskrcnn_benchmark.engine.start import load_start, load_tested, parameter_table
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.errors import UserError

from .tiny import mode_overrides

SGDET = ["MODEL.ROI_RELATION_HEAD.USE_GT_BOX", "False", "MODEL.ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL", "False"]
FROZEN = ["MODEL.FREEZE_DETECTOR", "True"]
BOX_FC6 = "roi_heads.box.feature_extractor.fc6.weight"
ENTITY_FC6 = "roi_heads.relation.box_feature_extractor.fc6.weight"


def relation(world, *overrides):
    cfg = load_config(world / "relation.yaml", overrides)
    return cfg, build_detection_model(cfg, load_dataset_meta(cfg))


@pytest.fixture
def detector_file(world):
    """A detector's checkpoint as older code writes it: names under `module.`, inside "model"."""
    cfg = load_config(world / "detector.yaml")
    torch.manual_seed(5)
    model = build_detection_model(cfg, load_dataset_meta(cfg))
    path = world / "detector.pth"
    torch.save({"model": {f"module.{name}": value for name, value in model.state_dict().items()}, "iteration": 7}, path)
    return path, model.state_dict()


@pytest.fixture
def backbone_file(world, detector_file):
    path = world / "backbone.pth"
    state = {name: value for name, value in detector_file[1].items() if name.startswith("backbone.body.")}
    torch.save({name[len("backbone.body.") :]: value + 1 for name, value in state.items()}, path)
    return path


def test_a_detector_fills_the_model_and_the_relation_heads_extractors(world, detector_file):
    cfg, model = relation(world, *FROZEN, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]))
    loaded = load_start(cfg, model)
    state = model.state_dict()
    for name in (BOX_FC6, "backbone.body.layer2.0.conv1.weight", "rpn.head.conv.weight"):
        assert torch.equal(state[name], detector_file[1][name])
    assert torch.equal(state[ENTITY_FC6], detector_file[1][BOX_FC6]) and ENTITY_FC6 in loaded
    assert "roi_heads.relation.predictor.out_obj.weight" not in loaded


def test_a_relation_model_trained_without_a_detector_gives_none(world, detector_file):
    torch.save({"model": relation(world)[1].state_dict(), "detector": False}, world / "relation.pth")
    cfg, model = relation(
        world, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]), "MODEL.WEIGHT", str(world / "relation.pth")
    )
    load_start(cfg, model)
    assert torch.equal(model.state_dict()[BOX_FC6], detector_file[1][BOX_FC6])
    cfg, model = relation(world, *SGDET, "MODEL.WEIGHT", str(world / "relation.pth"))
    with pytest.raises(UserError, match="no file gave weights to .*rpn"):
        load_start(cfg, model)


def test_model_weight_goes_over_the_detector(world, detector_file):
    cfg, other = relation(world)
    torch.save({name: value + 0.25 for name, value in other.state_dict().items()}, world / "relation.pth")
    cfg, model = relation(
        world, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]), "MODEL.WEIGHT", str(world / "relation.pth")
    )
    load_start(cfg, model)
    assert torch.equal(model.state_dict()[ENTITY_FC6], other.state_dict()[ENTITY_FC6] + 0.25)
    assert torch.equal(model.state_dict()[BOX_FC6], other.state_dict()[BOX_FC6] + 0.25)


@pytest.mark.parametrize("backbone", ["backbone.pth", "catalog://ImageNetPretrained/FAIR/20171220/X-101-32x8d"])
@pytest.mark.usefixtures("backbone_file")
def test_a_backbone_counts_only_where_no_detector_is_named(backbone, world, detector_file, caplog):
    caplog.set_level("INFO", logger="maskrcnn_benchmark")
    cfg, model = relation(
        world, *FROZEN, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]), "MODEL.WEIGHT", backbone
    )
    load_start(cfg, model)
    name = "backbone.body.layer2.0.conv1.weight"
    assert torch.equal(model.state_dict()[name], detector_file[1][name])
    assert "holds only a backbone: left out" in caplog.text


@pytest.mark.parametrize("prefix", ["_orig_mod.", "model."])
def test_a_whole_model_under_another_prefix_is_no_backbone(prefix, world, detector_file):
    cfg, other = relation(world)
    state = {prefix + name: value + 0.25 for name, value in other.state_dict().items() if value.is_floating_point()}
    torch.save({"state_dict": state}, world / "relation.pth")
    cfg, model = relation(
        world, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]), "MODEL.WEIGHT", str(world / "relation.pth")
    )
    load_start(cfg, model)
    assert torch.equal(model.state_dict()[ENTITY_FC6], other.state_dict()[ENTITY_FC6] + 0.25)


def test_a_file_of_unknown_names_beside_a_detector_is_an_error(world, detector_file):
    torch.save({"encoder.weight": torch.ones(1)}, world / "foreign.pth")
    cfg, model = relation(
        world, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]), "MODEL.WEIGHT", str(world / "foreign.pth")
    )
    with pytest.raises(UserError, match=r"foreign.pth: none of its 1 entries fits"):
        load_start(cfg, model)


def test_a_backbone_alone_fills_the_backbone_and_needs_a_trained_fpn(world, detector_file, backbone_file):
    name = "backbone.body.layer2.0.conv1.weight"
    cfg, model = relation(world, "MODEL.WEIGHT", str(backbone_file))
    load_start(cfg, model)
    assert torch.equal(model.state_dict()[name], detector_file[1][name] + 1)
    cfg, model = relation(world, *FROZEN, "MODEL.WEIGHT", str(backbone_file))
    with pytest.raises(UserError, match=r"backbone\.fpn.*PRETRAINED_DETECTOR_CKPT.*FREEZE_DETECTOR False"):
        load_start(cfg, model)


def test_sgdet_needs_a_detector_even_if_its_backbone_is_trained_along(world, backbone_file):
    cfg, model = relation(world, *SGDET, "MODEL.WEIGHT", str(backbone_file))
    with pytest.raises(UserError, match=r"roi_heads\.box, rpn\..*PRETRAINED_DETECTOR_CKPT"):
        load_start(cfg, model)


def test_frozen_extractors_need_a_relation_model(world, detector_file):
    keys = [
        *FROZEN,
        "MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS",
        "True",
        "MODEL.PRETRAINED_DETECTOR_CKPT",
        str(detector_file[0]),
    ]
    cfg, model = relation(world, *keys)
    with pytest.raises(
        UserError, match="FREEZE_FEATURE_EXTRACTORS.*union_feature_extractor.*relation model as MODEL.WEIGHT"
    ):
        load_start(cfg, model)


@pytest.fixture
def spln(world):
    """spln(*overrides): SPLN on relation.yaml's world, with a published-form file of visual prototypes."""
    torch.save(torch.randn(4, 16).half(), world / "vis.pt")
    head = "MODEL.ROI_RELATION_HEAD."
    keys = ["VIS_PRO_PATH", world / "vis.pt", "VIS_PRO_DIM", 16, "VIS_VAE_INPUT_DIM", 16, "VIS_VAE_LATENT_DIM", 4]
    keys = [head + word if i % 2 == 0 else str(word) for i, word in enumerate(keys)]
    return lambda *overrides: relation(world, *keys, *overrides)


def test_gates_that_are_not_trained_need_no_file(spln, detector_file):
    detector = ["MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0])]
    cfg, model = spln(*FROZEN, *detector, "MODEL.ROI_RELATION_HEAD.TRAIN_GATES", "False")
    assert not model.roi_heads.relation.predictor.logit_wt1.requires_grad
    assert not any("logit_wt" in name for name in load_start(cfg, model))


def test_a_published_file_without_gates_is_tested_with_them_named(spln, world, caplog):
    cfg, model = spln()
    weights = {
        name: value
        for name, value in model.state_dict().items()
        if not name.endswith(("logit_wt1", "logit_wt2", "vis_protos"))
    }
    torch.save({"model": weights}, world / "published.pth")
    load_tested(cfg, model, world / "published.pth", load_dataset_meta(cfg))
    assert "lacks roi_heads.relation.predictor.logit_wt1 (gate of the structural term)" in caplog.text


def test_a_test_of_splns_weights_as_penet_is_warned_of(spln, world, caplog):
    _, model = spln()
    torch.save({"model": model.state_dict()}, world / "spln.pth")
    cfg, penet = relation(world)
    load_tested(cfg, penet, world / "spln.pth", load_dataset_meta(cfg))
    assert "has no place for 30 weights of the file's relation predictor" in caplog.text
    assert "keys of its training, such as those that name prototype files" in caplog.text


def test_a_backbone_is_no_detector(world, backbone_file):
    cfg, model = relation(world, "MODEL.PRETRAINED_DETECTOR_CKPT", str(backbone_file))
    with pytest.raises(UserError, match="PRETRAINED_DETECTOR_CKPT .*no detector"):
        load_start(cfg, model)


def test_a_shape_that_differs_is_an_error_that_names_it(world, detector_file):
    cfg, model = relation(world, "MODEL.PRETRAINED_DETECTOR_CKPT", str(detector_file[0]),
                          "MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM", "24",
                          "MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM", "24")  # fmt: skip
    with pytest.raises(UserError, match=r"fc6.*\(16, 392\).*\(24, 392\)"):
        load_start(cfg, model)


def test_what_is_tested(world):
    out = world / "out"
    cfg = load_config(world / "relation.yaml", ["MODEL.WEIGHT", "file.pth"])
    assert weights_to_test(cfg, weight_named=False).name == "file.pth"
    out.mkdir()
    (out / "last_checkpoint").write_text("model_final.pth\n")
    (out / "model_final.pth").write_bytes(b"x")
    assert weights_to_test(cfg, weight_named=False) == out / "model_final.pth"
    assert weights_to_test(cfg, weight_named=True).name == "file.pth"
    (out / "last_checkpoint").unlink()
    with pytest.raises(UserError, match="nothing to test"):
        weights_to_test(load_config(world / "relation.yaml"), weight_named=False)


def test_a_test_refuses_a_backbone_a_detector_and_other_names(world, detector_file, backbone_file):
    cfg, model = relation(world)
    meta = load_dataset_meta(cfg)
    with pytest.raises(UserError, match="holds only a backbone"):
        load_tested(cfg, model, backbone_file, meta)
    with pytest.raises(UserError, match=r"lacks weights of this model: .*roi_heads\.relation\.predictor"):
        load_tested(cfg, model, detector_file[0], meta)
    state = meta.to_state() | {"objects": ["__background__", "dog", "cat", "table", "hat"]}
    torch.save({"model": model.state_dict(), "meta": state}, world / "other.pth")
    with pytest.raises(UserError, match="other object or predicate names"):
        load_tested(cfg, model, world / "other.pth", meta)


def test_a_test_that_needs_a_detector_refuses_a_file_whose_own_is_at_random(world):
    cfg, model = relation(world)
    meta = load_dataset_meta(cfg)
    torch.save({"model": model.state_dict(), "detector": False}, world / "alone.pth")
    load_tested(cfg, model, world / "alone.pth", meta)  # PredCls
    for mode in ("sgcls", "sgdet"):
        with pytest.raises(UserError, match=r"alone\.pth holds no detector .*MODEL.PRETRAINED_DETECTOR_CKPT"):
            load_tested(*relation(world, *mode_overrides(mode)), world / "alone.pth", meta)


@pytest.mark.parametrize(
    "overrides, trained",
    [(FROZEN, {"roi_heads.relation"}), ([], {"roi_heads.relation", "backbone.body", "backbone.fpn"})],
)
def test_relation_training_trains_its_head_and_on_request_the_backbone(overrides, trained, world):
    cfg, model = relation(world, *overrides)
    have = {".".join(name.split(".")[:2]) for name, p in model.named_parameters() if p.requires_grad}
    assert have == trained
    stem = [p for name, p in model.named_parameters() if name.startswith("backbone.body.stem")]
    assert stem and not any(p.requires_grad for p in stem)
    table = parameter_table(model)
    total = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert f"{total:,}" in table.splitlines()[-1] and "roi_heads.relation.predictor" in table
