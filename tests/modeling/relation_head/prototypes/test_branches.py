"""PrototypeEmbeddingNetwork with its branches: switches, losses, gradients, fusion."""

import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.prototype_embedding import PrototypeEmbeddingNetwork
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.utils.checkpoint import require_filled
from maskrcnn_benchmark.utils.errors import UserError

from ..conftest import HEAD, PREDICATES, WIDTH, toy_pairs

PENET_LOSSES = {"l21_loss", "dist_loss2", "loss_dis"}
BRANCHES = {"str_": (), "vis_": ("vae_rec", "vae_kl"), "con_": ("vae_rec", "vae_kl"), "gen_": ()}


@pytest.fixture
def files(tmp_path, toy_meta):
    """Keys that name a visual and a conceptual prototype file, and turn every branch on."""
    counts = torch.ones(PREDICATES)
    generator = torch.Generator().manual_seed(5)
    for name, width, features in (("vis", WIDTH, "detector"), ("con", 10, "text")):
        bank = 1.0 + torch.rand(PREDICATES, width, generator=generator)
        write_prototypes(tmp_path / f"{name}.pt", bank, toy_meta.predicates, counts=counts, features=features, source="a test")
    return {
        HEAD + "VIS_PRO_PATH": str(tmp_path / "vis.pt"),
        HEAD + "CON_PRO_LLAMA_PATH": str(tmp_path / "con.pt"),
        HEAD + "CON_PRO_TYPE": "LLAMA",
    }


@pytest.fixture
def build(toy_cfg, toy_meta):
    def make(keys=None, task=Task.PREDCLS):
        torch.manual_seed(0)
        return PrototypeEmbeddingNetwork.from_config(toy_cfg(task=task, keys=keys), toy_meta, WIDTH)

    return make


def test_without_prototype_files_it_is_penet(build):
    model = build().train()
    assert not [name for name in model.state_dict() if name.startswith(("visual", "conceptual", "generalized", "fusion"))]
    assert set(model(toy_pairs(7, training=True)).losses) == PENET_LOSSES


def test_every_branch_reports_its_losses_by_name(build, files):
    expected = set(PENET_LOSSES)
    for prefix, terms in BRANCHES.items():
        expected |= {prefix + name for name in (*terms, "loss_rel", *(PENET_LOSSES if prefix != "str_" else ()))}
    assert set(build(files).train()(toy_pairs(7, training=True)).losses) == expected


@pytest.mark.parametrize("features", ["detector", "relation"])
@pytest.mark.parametrize("task", list(Task))
def test_gradients_reach_every_parameter_that_takes_part(build, files, task, features):
    model = build({**files, HEAD + "VIS_PRO_FEATURES": features}, task).train()
    pairs = toy_pairs(18, training=True)
    out = model(pairs)
    loss = torch.nn.functional.cross_entropy(out.relation_logits, pairs.rel_labels) + sum(out.losses.values())
    if task is not Task.PREDCLS:
        loss = loss + torch.nn.functional.cross_entropy(out.entity_logits, pairs.object_labels)
    loss.backward()
    unused = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    labels = {"pos_embed", "obj_embed1", "lin_obj_cyx", "out_obj"} if task is Task.PREDCLS else {"pos_embed"} & unused
    assert unused == {"linear_pred"} | labels


def test_logit_adjustment_shifts_every_branchs_own_cross_entropy(build, files):
    pairs = toy_pairs(7, training=True)
    plain, shifted = build(files), build({**files, "MODEL.LOGIT_ADJUSTMENT": 1.0})
    for model in (plain, shifted):
        torch.manual_seed(1)
        model.found = model.train()(pairs).losses
    changed = {name for name in plain.found if not torch.equal(plain.found[name], shifted.found[name])}
    assert changed == {"str_loss_rel", "vis_loss_rel", "con_loss_rel", "gen_loss_rel"}


@pytest.mark.parametrize(("method", "weighted"), [("CLASS_BALANCED", True), ("PENET", False)])
def test_class_balanced_weights_reach_every_branchs_own_cross_entropy(build, files, method, weighted):
    pairs = toy_pairs(7, training=True)
    plain, weighing = build(files), build({**files, "MODEL.USE_REWEIGHT": method})
    for model in (plain, weighing):
        torch.manual_seed(1)
        model.found = model.train()(pairs).losses
    changed = {name for name in plain.found if not torch.equal(plain.found[name], weighing.found[name])}
    assert changed == ({"str_loss_rel", "vis_loss_rel", "con_loss_rel", "gen_loss_rel"} if weighted else set())


def test_rows_and_prototypes_of_the_other_branches_lie_on_one_sphere(build, files):
    model, pairs = build(files).eval(), toy_pairs(7)
    outputs = {"structural": model.structural(pairs, pairs.object_labels)}
    model._run_branches(outputs, pairs, pairs.object_labels)
    for name in ("visual", "conceptual", "generalized"):
        lengths = torch.cat([outputs[name].rows, outputs[name].prototypes]).norm(dim=1)
        torch.testing.assert_close(lengths, torch.full_like(lengths, 8.0**0.5))


def test_auto_reads_the_features_that_the_file_records(build, files):
    assert build(files).visual_features_dim == WIDTH
    assert build({**files, HEAD + "VIS_PRO_FEATURES": "relation"}).visual_features_dim is None


def test_visual_features_decide_in_the_visual_branch_alone(build, files):
    model = build(files).eval()
    pairs = toy_pairs(7)
    first = model(pairs).relation_logits
    pairs.visual_features.mul_(-1)
    assert not torch.allclose(first, model(pairs).relation_logits)
    torch.testing.assert_close(
        model.structural(pairs, pairs.object_labels).logits, build(files).eval().structural(pairs, pairs.object_labels).logits
    )


@pytest.mark.parametrize(("layout", "reached"), [(True, {"conceptual", "generalized"}), (False, set())])
def test_where_boxes_lie_reaches_the_conceptual_branch_alone(build, files, layout, reached):
    model = build({**files, HEAD + "CON_LAYOUT": layout}).eval()

    def logits(shift):
        pairs = toy_pairs(7)
        pairs.boxes[0] += shift
        outputs = {"structural": model.structural(pairs, pairs.object_labels)}
        model._run_branches(outputs, pairs, pairs.object_labels)
        return {name: output.logits for name, output in outputs.items()}

    here, there = logits(0.0), logits(9.0)
    assert {name for name in here if not torch.equal(here[name], there[name])} == reached


def test_the_branches_upon_the_structural_one_send_it_no_gradient(build, files):
    model, pairs = build(files).train(), toy_pairs(7, training=True)
    losses = model(pairs).losses
    sum(value for name, value in losses.items() if name.startswith(("vis_", "con_", "gen_"))).backward()
    reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert reached == {"visual", "conceptual", "generalized"}


def test_how_subject_and_object_look_decides_in_the_visual_branch(build, files):
    model, pairs = build(files).eval(), toy_pairs(7)
    features, rois, index = pairs.visual_features, pairs.roi_features, pairs.pair_index
    rows = model.visual(features, rois, index)[0].rows
    first = index[0, 0]
    changed = rois.clone()
    changed[first] += 1.0
    moved = (model.visual(features, changed, index)[0].rows - rows).abs().amax(dim=1) > 1e-6
    assert moved.tolist() == (index == first).any(dim=1).tolist()
    assert not torch.allclose(model.visual(features, rois, index.flip(1))[0].rows, rows)


def test_fused_weights_differ_between_pairs_and_sum_to_one(build, files):
    model = build(files).eval()
    pairs = toy_pairs(18)
    outputs = {"structural": model.structural(pairs, pairs.object_labels)}
    model._run_branches(outputs, pairs, pairs.object_labels)
    logits, weights = model.fusion(list(outputs.values()))
    assert weights.shape == (18, 4) and weights.std(dim=0).min() > 0
    torch.testing.assert_close(weights.sum(1), torch.ones(18))
    torch.testing.assert_close(logits, sum(w[:, None] * o.logits for w, o in zip(weights.t(), outputs.values(), strict=True)))
    model(pairs)
    assert sum(model.logged.values()).item() == pytest.approx(1.0, abs=1e-5)


def test_mean_fusion_is_the_plain_mean_and_has_no_parameter(build, files):
    model = build({**files, HEAD + "FUSION": "mean"}).eval()
    assert not list(model.fusion.parameters())
    pairs = toy_pairs(7)
    outputs = {"structural": model.structural(pairs, pairs.object_labels)}
    model._run_branches(outputs, pairs, pairs.object_labels)
    torch.testing.assert_close(model(pairs).relation_logits, sum(o.logits for o in outputs.values()) / 4)


def test_the_conceptual_branch_can_be_off_but_not_alone(build, files):
    model = build({**files, HEAD + "CON_PRO_TYPE": "NONE"}).train()
    assert not hasattr(model, "conceptual")
    assert not [name for name in model(toy_pairs(7, training=True)).losses if name.startswith("con_")]
    with pytest.raises(UserError, match="needs the visual one"):
        build({**files, HEAD + "VIS_PRO_PATH": ""})


def test_storing_union_features_turns_the_branches_off(build, files):
    assert build({**files, HEAD + "STORE_UNION": True}).branches is None


def test_a_checkpoint_fills_what_files_would(build, files, tmp_path):
    trained = build(files).state_dict()
    (tmp_path / "vis.pt").unlink()
    (tmp_path / "con.pt").unlink()
    again = build({**files, HEAD + "VIS_PRO_FEATURES": "detector"})
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in trained.items()}
    with pytest.raises(UserError, match="VIS_PRO_PATH .*no such file.*CON_PRO_LLAMA_PATH .*no such file"):
        require_filled(again)


@pytest.mark.parametrize(
    "keys, said",
    [
        ({HEAD + "VIS_VAE_INPUT_DIM": 8}, "VIS_VAE_INPUT_DIM is 8, .*VIS_PRO_DIM is 16"),
        ({HEAD + "CON_VAE_INPUT_DIM": 8}, "CON_VAE_INPUT_DIM is 8, .*CON_PRO_DIM is 10"),
        ({HEAD + "CON_PRO_LLAMA_PATH": ""}, "CON_PRO_LLAMA_PATH is empty"),
        ({HEAD + "CONTEXT_POOLING_DIM": 8}, "CONTEXT_POOLING_DIM is 8"),
        ({HEAD + "VIS_PRO_DIM": 8, HEAD + "VIS_VAE_INPUT_DIM": 8, HEAD + "VIS_PRO_FEATURES": "relation"}, "are 16 wide; set it to 16"),
    ],
)
def test_keys_that_contradict_each_other_are_named(build, files, keys, said):
    with pytest.raises(UserError, match=said):
        build({**files, **keys})
