"""SPLN: against its equations in float64, what it reads, learns and saves, and what a config may ask of it."""

import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from torch import nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling import averaging, registry
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.penet import PENet
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import standardise
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weights import load_weights, require_filled

from .conftest import HEAD, PREDICATES, WIDTH, toy_pairs

PENET_LOSSES = {"l21_loss", "dist_loss2", "loss_dis"}
SPLN_LOSSES = {"sem_simi_loss", "vis_simi_loss", "con_simi_loss", "vis_vae_loss", "con_vae_loss"}
# In the checkpoints, and without effect.
IDLE = ("gate_pred.", "down_samp.", "linear_pred.", "logit_scale", "vis_logit_scale", "con_logit_scale")
REFINEMENT = ("pos_embed.", "obj_embed1.", "lin_obj_cyx.", "out_obj.")


@pytest.fixture
def files(tmp_path):
    """Keys that name a visual and a conceptual prototype file as published ones are, bare tensors in half precision."""
    generator = torch.Generator().manual_seed(5)
    for name, width in (("vis", WIDTH), ("con", 10)):
        torch.save(torch.randn(PREDICATES, width, generator=generator).half(), tmp_path / f"{name}.pt")
    return {
        HEAD + "VIS_PRO_PATH": str(tmp_path / "vis.pt"),
        HEAD + "CON_PRO_LLAMA_PATH": str(tmp_path / "con.pt"),
        HEAD + "CON_PRO_TYPE": "LLAMA",
    }


@pytest.fixture
def build(toy_cfg, toy_meta):
    """build(keys, task): the predictor that a config means, initial values seeded."""

    def make(keys=None, task=Task.PREDCLS):
        torch.manual_seed(0)
        cfg = toy_cfg(task=task, keys=keys)
        model = registry.ROI_RELATION_PREDICTOR["PrototypeEmbeddingNetwork"].from_config(cfg, toy_meta, WIDTH)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "_vae." in name:
                    parameter.mul_(
                        20
                        # at widths as small as these the initial weights would leave only rounding errors of the
                        # concepts
                    )
        return model

    return make


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


class Whole(nn.Module):
    """Stands in for a whole model around a predictor."""

    def __init__(self, predictor):
        super().__init__()
        self.predictor = predictor


def in_float64(model, pairs):
    """Fused logits and losses of SPLN's equations, from its state in float64, a row of the batch at a time."""
    w = {name: value.double() for name, value in Whole(model).state_dict().items()}
    w = {name.removeprefix("predictor."): value for name, value in w.items()}

    def linear(name, x):
        return w[f"{name}.weight"] @ x + w[f"{name}.bias"]

    def mlp(name, x):
        return linear(f"{name}.layers.1", linear(f"{name}.layers.0", x).relu())

    def norm(name, x):
        return (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]

    def vae(name, x):
        h = x
        for layer in ("encoder.fc1", "encoder.fc2", "encoder.fc3"):
            h = F.leaky_relu(linear(f"{name}.{layer}", h), 0.1)
        mean, log_variance = linear(f"{name}.encoder.linear_means", h), linear(f"{name}.encoder.linear_log_var", h)
        z = mean
        for layer in ("decoder.fc0", "decoder.fc1", "decoder.fc2"):
            z = F.leaky_relu(linear(f"{name}.{layer}", z), 0.1)
        divergence = -0.5 * sum(1 + v - m**2 - v.exp() for m, v in zip(mean, log_variance, strict=True))
        restored = linear(f"{name}.decoder.fc3", z)
        return restored, (x - restored).square().sum().sqrt() + divergence

    def entity(role, word, looks):
        looks = linear("vis2sem.3", linear("vis2sem.0", looks).relu())
        word = mlp(f"W_{role}", word)
        mixed = word + torch.sigmoid(linear(f"gate_{role}", torch.cat([word, looks]))) * looks
        return norm(f"norm_{role}", linear(f"linear_{role}", mixed).relu() + mixed)

    def similarity(prototypes):
        unit = [c / c.norm() for c in prototypes]
        return (
            sum(float(a @ b) for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j) / (len(unit) - 1) ** 2
        )

    dim, k = model.dim, PREDICATES
    structural = [mlp("project_head", mlp("W_pred", w["rel_embed.weight"][i]).relu()) for i in range(k)]
    visual = [linear("vis_project_head", linear("vis_W_pred", w["vis_protos"][i]).relu()) for i in range(k)]
    essences = [vae("con_vae", w["con_protos"][i]) for i in range(k)]
    conceptual = [linear("con_W_pred", essence) for essence, _ in essences]
    logits, visual_losses = [], []
    for (s, o), union in zip(pairs.pair_index.tolist(), pairs.union_features.double(), strict=True):
        looks = [linear("post_emb", pairs.roi_features[i].double()) for i in (s, o)]
        words = [w["obj_embed.weight"][int(pairs.object_labels[i])] for i in (s, o)]
        subject, obj = entity("sub", words[0], looks[0][dim:]), entity("obj", words[1], looks[1][:dim])
        relation = (subject + obj).relu() - (subject - obj) ** 2
        relation = norm("norm_rel_rep", linear("linear_rel_rep", relation).relu() + relation)
        restored, loss = vae("vis_vae", union)
        visual_losses.append(loss)
        rows = (
            (mlp("project_head", relation.relu()), structural),
            (linear("vis_project_head", relation.relu()) + linear("vis_post_embedding", union - restored), visual),
            (linear("con_project_head", relation.relu()), conceptual),
        )
        z = [linear("pred_classifier", relation)]
        z += [torch.stack([row @ c / row.norm() / c.norm() for c in prototypes]) for row, prototypes in rows]
        z = [torch.from_numpy(scipy.stats.zscore(scores.numpy(), ddof=1)) for scores in z]
        gates = [torch.sigmoid(w[f"logit_wt{b}"][0]) for b in (1, 2, 3)]

        logits.append(sum(gate * z[0] + (1 - gate) * scores for gate, scores in zip(gates, z[1:], strict=True)))
    losses = {
        "sem_simi_loss": similarity(structural),
        "vis_simi_loss": similarity(visual),
        "con_simi_loss": similarity(conceptual),
        "vis_vae_loss": float(sum(visual_losses) / len(visual_losses)),
        "con_vae_loss": float(sum(loss for _, loss in essences) / k),
    }
    return torch.stack(logits), losses


def test_logits_and_losses_are_those_of_the_equations(build, files, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    model, pairs = without_dropout(build(files)).train(), toy_pairs(18, training=True)
    out = model(pairs)
    with torch.no_grad():
        logits, losses = in_float64(model, pairs)
    torch.testing.assert_close(out.relation_logits.double(), logits, rtol=1e-4, atol=1e-5)
    assert set(out.losses) == set(losses) == SPLN_LOSSES
    for name, value in losses.items():
        assert out.losses[name].item() == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_a_name_means_penet_without_prototype_files_and_spln_with_either(build, files):
    plain, whole = build(), build(files)
    assert type(plain) is PENet and type(whole) is SPLN
    assert set(plain.train()(toy_pairs(7, training=True)).losses) == PENET_LOSSES
    assert set(plain.state_dict()) < set(whole.state_dict())
    for off, prefix, gate in (
        (HEAD + "VIS_PRO_PATH", "vis_", "logit_wt2"),
        (HEAD + "CON_PRO_TYPE", "con_", "logit_wt3"),
    ):
        part = build({**files, off: "NONE" if off.endswith("TYPE") else ""})
        left_out = {
            name for name in Whole(whole).state_dict() if name.startswith((f"predictor.{prefix}", f"predictor.{gate}"))
        }
        assert set(Whole(part).state_dict()) == set(Whole(whole).state_dict()) - left_out and len(left_out) > 20
        losses = part.train()(toy_pairs(7, training=True)).losses
        assert set(losses) == {name for name in SPLN_LOSSES if not name.startswith(prefix)}


@pytest.mark.parametrize("task", list(Task))
def test_gradients_reach_every_parameter_that_takes_part(build, files, task):
    model, pairs = build(files, task).train(), toy_pairs(18, training=True)
    out = model(pairs)
    (
        F.cross_entropy(out.relation_logits, pairs.rel_labels) + out.entity_logits.sum() + sum(out.losses.values())
    ).backward()
    idle = IDLE + (REFINEMENT if task is Task.PREDCLS else ())
    for name, parameter in model.named_parameters():
        gradient = 0.0 if parameter.grad is None else parameter.grad.abs().max().item()
        assert (gradient < 1e-6) if name.startswith(idle) else gradient > 0, name


def test_a_factor_of_the_vaes_losses_is_all_that_changes_with_its_key(build, files, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    found = [
        without_dropout(build({**files, HEAD + "VAE_WEIGHT": x})).train()(toy_pairs(7, training=True))
        for x in (1.0, 0.25)
    ]
    for name in SPLN_LOSSES:
        assert found[1].losses[name].item() == pytest.approx(
            found[0].losses[name].item() * (0.25 if "vae" in name else 1.0), rel=1e-6
        )
    assert torch.equal(found[0].relation_logits, found[1].relation_logits)


def test_gates_start_uniform_are_trained_and_say_how_much_a_term_counts(build, files):
    model = build(files).train()
    gates = torch.cat([model.logit_wt1, model.logit_wt2, model.logit_wt3])
    assert (
        0 <= gates.min()
        and gates.max() < 1
        and gates.std() > 0.1
        and all(p.requires_grad for p in (model.logit_wt1, model.logit_wt3))
    )
    model(toy_pairs(7, training=True))
    assert model.logged["fusion_visual"].item() == pytest.approx((1 - torch.sigmoid(model.logit_wt2)).mean().item())
    fixed = build({**files, HEAD + "TRAIN_GATES": False})
    assert not any(p.requires_grad for name, p in fixed.named_parameters() if name.startswith("logit_wt"))
    assert "logit_wt2" in fixed.state_dict()


def test_noise_is_drawn_in_training_and_at_test_only_on_request(build, files):
    pairs = toy_pairs(7)
    for keys, same in ((files, True), ({**files, HEAD + "VAE_NOISE_AT_TEST": True}, False)):
        model = build(keys).eval()
        assert torch.equal(model(pairs).relation_logits, model(pairs).relation_logits) is same
    model = without_dropout(build(files)).train()
    pairs = toy_pairs(7, training=True)
    assert not torch.equal(model(pairs).relation_logits, model(pairs).relation_logits)


def test_nothing_is_asked_of_other_processes_at_test(build, files, monkeypatch):
    """They have other numbers of batches then, and would wait for ever."""
    model = build(files).eval()
    monkeypatch.setattr(averaging, "all_reduce_sum", lambda _: pytest.fail("waits for all processes"))
    assert not model(toy_pairs(7)).losses


def test_rows_of_equal_logits_are_standardised_to_zero_with_a_finite_gradient():
    logits = torch.zeros(2, 5, requires_grad=True)
    found = standardise(logits)
    found.sum().backward()
    assert torch.equal(found, torch.zeros(2, 5)) and torch.isfinite(logits.grad).all()


def test_a_checkpoint_is_enough_and_the_predictors_own_state_is_the_published_one(build, files, tmp_path):
    model = build(files).eval()
    pairs = toy_pairs(7)
    expected = model(pairs).relation_logits
    assert not {"vis_protos", "con_protos"} & set(model.state_dict())
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    torch.save(Whole(model).state_dict(), tmp_path / "checkpoint.pth")
    for name in ("vis.pt", "con.pt"):
        (tmp_path / name).unlink()
    again = Whole(build(files)).eval()
    with pytest.raises(
        UserError, match=r"VIS_PRO_PATH .*vis.pt: no such file; make it with tools/extract_visual_prototypes.py"
    ):
        require_filled(again)
    report = load_weights(again, tmp_path / "checkpoint.pth")
    assert not report.initial and not report.unused
    require_filled(again)
    assert torch.equal(again.predictor(pairs).relation_logits, expected)
    again.load_state_dict(Whole(model).state_dict())


def test_penets_weights_start_spln_and_what_they_lack_is_reported(build, files):
    start = Whole(build())
    with torch.no_grad():
        start.predictor.W_pred.layers[0].weight.fill_(0.5)
    model = Whole(build(files))
    report = load_weights(model, start.state_dict())
    assert model.predictor.W_pred.layers[0].weight.eq(0.5).all() and not report.unused
    assert {"predictor.pred_classifier.weight", "predictor.vis_vae.encoder.fc1.weight", "predictor.logit_wt1"} <= set(
        report.initial
    )


def test_a_published_file_without_gates_loads_and_they_are_named_as_started_anew(build, files, caplog):
    model = Whole(build(files))
    published = {
        name: value
        for name, value in Whole(build(files)).state_dict().items()
        if "logit_wt" not in name and "protos" not in name
    }
    load_weights(model, published, name="published.pth")
    warned = [r.getMessage() for r in caplog.records if "started anew" in r.getMessage()]
    assert len(warned) == 1 and warned[0].startswith(
        "published.pth lacks predictor.logit_wt1 (gate of the structural term), predictor.lo"
    )
    assert "visual term" in warned[0] and "conceptual term" in warned[0] and "protos" not in warned[0]


@pytest.mark.parametrize(
    "keys, said",
    [
        ({HEAD + "CON_PRO_LLAMA_PATH": ""}, "CON_PRO_TYPE is LLAMA, but CON_PRO_LLAMA_PATH is empty; name a file"),
        ({HEAD + "CON_VAE_INPUT_DIM": 12}, "CON_VAE_INPUT_DIM is 12, CON_PRO_DIM is 10.*set both alike"),
        (
            {HEAD + "VIS_VAE_INPUT_DIM": 12},
            r"VIS_VAE_INPUT_DIM is 12, but .* 16 wide \(MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM\)",
        ),
        (
            {HEAD + "PENET_MLP_DIM": 6},
            "VIS_VAE_INPUT_DIM is 16, but pairs .* twice PENET_MLP_DIM, 12; set PENET_MLP_DIM to 8",
        ),
        (
            {HEAD + "VIS_PRO_DIM": 8},
            "vis.pt: prototypes are 16 wide, MODEL.ROI_RELATION_HEAD.VIS_PRO_DIM is 8; set the key, or rerun",
        ),
        (
            {HEAD + "CON_PRO_DIM": 8, HEAD + "CON_VAE_INPUT_DIM": 8},
            "con.pt: prototypes are 10 wide, .*CON_PRO_DIM is 8",
        ),
    ],
)
def test_keys_that_contradict_each_other_or_their_files_are_one_error(build, files, keys, said):
    with pytest.raises(UserError, match=said):
        build({**files, **keys})
