"""
Frozen backbones as their folded copies against the same backbones as they are written. Example: python -m
benchmarks.backbone --threads 2

Each pair is first compared in value. Weights are random, norms included; the images are a relation model's: 224 × 320
for the demo's backbone, 608 × 800 for the ResNets.
"""

from collections.abc import Iterator

import torch

from benchmarks.harness import compare, run_suite
from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.modeling.backbone import Backbone, build_backbone

# Name in the table, config keys, and shape of the batch.
BACKBONE_CASES = [
    (
        "EfficientNet-Lite0-FPN, 8 × 224 × 320",
        {"BACKBONE.CONV_BODY": "timm/tf_efficientnet_lite0-FPN"},
        64,
        (8, 3, 224, 320),
    ),
    (
        "R-50-FPN, 1 × 608 × 800",
        {"BACKBONE.CONV_BODY": "R-50-FPN", "RESNETS.STRIDE_IN_1X1": False},
        256,
        (1, 3, 608, 800),
    ),
    (
        "X-101-32x8d-FPN, 1 × 608 × 800",
        {
            "BACKBONE.CONV_BODY": "R-101-FPN",
            "RESNETS.STRIDE_IN_1X1": False,
            "RESNETS.NUM_GROUPS": 32,
            "RESNETS.WIDTH_PER_GROUP": 8,
        },
        256,
        (1, 3, 608, 800),
    ),
]


def build(keys: dict, width: int) -> Backbone:
    """A frozen backbone whose norms neither stretch nor shrink what passes."""
    words = [word for key, value in keys.items() for word in (f"MODEL.{key}", value)]
    backbone = build_backbone(
        load_config(None, [*words, "MODEL.RESNETS.BACKBONE_OUT_CHANNELS", width, "MODEL.DEVICE", "cpu"])
    )
    for module in backbone.modules():
        if hasattr(module, "running_var"):
            module.running_var.uniform_(0.8, 1.2)
            module.running_mean.normal_(std=0.1)
            module.weight.data.uniform_(0.3, 0.7)
    return backbone.eval().requires_grad_(False)


def cases() -> Iterator[tuple[str, Backbone, torch.Tensor]]:
    for name, keys, width, shape in BACKBONE_CASES:
        yield name, build(keys, width), torch.randn(shape)


def run(repeats: int) -> list[dict]:
    """
    Checks and times every backbone. The copy is made before the first counted call, the look for changed weights is in
    every one.
    """
    results = []
    for name, backbone, images in cases():
        for found, expected in zip(backbone(images), backbone.maps(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
        rounds = min(repeats, 5) if "X-101" in name else repeats  # seconds a call
        results.append(compare(name, lambda t=backbone, x=images: t.maps(x), lambda t=backbone, x=images: t(x), rounds))
    return results


def main(argv: list[str] | None = None) -> None:
    run_suite(run, __doc__, "backbone", "as written, folded", argv)


if __name__ == "__main__":
    main()
