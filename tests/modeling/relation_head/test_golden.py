"""PE-Net and SPLN against outputs of the published code (SGG_SHARED/golden)."""

import importlib.util

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.penet import PENet
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN
from maskrcnn_benchmark.structures.relation import PairBatch

pytestmark = pytest.mark.golden
PREFIX = "roi_heads.relation.predictor."
NO_GRADIENT = "pos_embed.0.bias"  # 0 but for rounding: a batch norm follows


@pytest.fixture(scope="module")
def value(shared):
    """
    value(name, shape): what a parameter's published name stands for; drawing these takes longer than everything else.
    """
    spec = importlib.util.spec_from_file_location("fill", shared / "golden/fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda name, shape: torch.from_numpy(np.ascontiguousarray(module.fill_array(PREFIX + name, shape))).reshape(
        shape
    )


@pytest.fixture(scope="module")
def weights(value):
    """PE-Net's published parameters, which SPLN shares."""
    return {name: value(name, tensor.shape) for name, tensor in build(PENet, Task.SGCLS).state_dict().items()}


def build(kind, task, **banks):
    words = {"object_vectors": torch.zeros(151, 300), "predicate_vectors": torch.zeros(51, 300)}
    return kind(task=task, in_channels=4096, nms_threshold=0.5, **words, **banks)


def batch(inputs, training):
    counts = [len(b) for b in inputs["boxes_xyxy"]]
    starts = [0, counts[0]]
    return PairBatch(
        boxes=torch.cat(inputs["boxes_xyxy"]),
        image_sizes=[tuple(size) for size in inputs["image_sizes_wh"]],
        num_objects=counts,
        pair_index=torch.cat([pairs + start for pairs, start in zip(inputs["rel_pair_idxs"], starts, strict=True)]),
        num_pairs=[len(pairs) for pairs in inputs["rel_pair_idxs"]],
        roi_features=inputs["roi_features"].float(),
        union_features=inputs["union_features"].float(),
        object_labels=torch.cat(list(inputs["labels"])),
        object_logits=torch.cat(list(inputs["predict_logits"])).float(),
        boxes_per_class=torch.cat(list(inputs["boxes_per_cls"])).float(),
        rel_labels=torch.cat(list(inputs["rel_labels"])) if training else None,
    )


def close(found, expected, tolerance=1e-4):
    expected = torch.cat(list(expected)).float()
    assert (found - expected).norm() <= tolerance * (expected - expected.mean()).norm()


@pytest.mark.parametrize("which, task", [("fill", Task.PREDCLS), ("fill", Task.SGCLS), ("overlap", Task.SGDET)])
def test_penet_meets_the_published_logits_losses_and_gradients(shared, weights, which, task):
    golden = torch.load(shared / f"golden/predictor/d2_penet_predictor_{which}.pt", weights_only=True)
    want = golden["outputs"][str(task)]
    model = build(PENet, task)
    model.load_state_dict(weights)
    meets(model, golden["inputs"], want, task)


def test_spln_meets_the_released_logits_losses_and_gradients(shared, value, weights, monkeypatch):
    """As trained with CLIP's prototypes; LLAMA's are wider, and nothing else."""
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    golden = torch.load(shared / "golden/predictor/d2_spln_clip_predictor_fill.pt", weights_only=True)
    banks = {"visual_bank": golden["prototypes"]["vis"].float(), "conceptual_bank": golden["prototypes"]["con"].float()}
    model = build(SPLN, Task.SGCLS, **banks, conceptual_latent_dim=576)
    for name, tensor in model.state_dict().items():
        tensor.copy_(weights[name] if name in weights else value(name, tensor.shape))
    meets(model, golden["inputs"], golden["outputs"]["sgcls"], Task.SGCLS)


def meets(model, inputs, want, task):
    """Logits in evaluation; losses and norms of gradients of a step without dropout."""
    with torch.no_grad():
        out = model.eval()(batch(inputs, training=False))
    close(out.relation_logits, want["eval"]["rel_logits"])
    close(out.entity_logits, want["eval"]["obj_logits"])

    want = want["train_nodropout"]
    for module in model.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    pairs = batch(inputs, training=True)
    out = model(pairs)
    for name, value in want["add_losses"].items():
        assert out.losses[name].item() == pytest.approx(float(value), rel=1e-4, abs=1e-7), name
    total = F.cross_entropy(out.relation_logits, pairs.rel_labels) + sum(out.losses.values())
    if task is not Task.PREDCLS:
        total = total + F.cross_entropy(out.entity_logits, pairs.object_labels)
    total.backward()
    norms = {name.removeprefix(PREFIX): float(norm) for name, norm in want["grad_norms"].items() if norm is not None}
    floor = 1e-4 * max(norms.values())
    for name, parameter in model.named_parameters():
        if name in norms and name != NO_GRADIENT:
            assert abs(parameter.grad.norm().item() - norms[name]) <= 5e-3 * max(norms[name], floor), name
