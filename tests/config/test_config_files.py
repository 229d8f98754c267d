"""The configuration files, and the published command lines."""

from pathlib import Path

import pytest
import yaml

from maskrcnn_benchmark.config import Task, load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RELATION = "e2e_relation_X_101_32_8_FPN_1x"
DETECTOR = "e2e_relation_detector_X_101_32_8_FPN_1x"
HEAD = "MODEL.ROI_RELATION_HEAD."

# What the published README's two commands override, word for word.
COMMON = [
    HEAD + "USE_GT_BOX", "True", HEAD + "USE_GT_OBJECT_LABEL", "True", HEAD + "PREDICT_USE_BIAS", "True",
    HEAD + "PREDICTOR", "PrototypeEmbeddingNetwork", "DTYPE", "float32", "SOLVER.IMS_PER_BATCH", "8",
    "TEST.IMS_PER_BATCH", "1", "SOLVER.MAX_ITER", "60000", "SOLVER.BASE_LR", "5e-4", "SOLVER.SCHEDULE.TYPE",
    "WarmupMultiStepLR", HEAD + "BATCH_SIZE_PER_IMAGE", "512", "SOLVER.STEPS", "(28000, 48000)", "SOLVER.VAL_PERIOD",
    "5000", "SOLVER.CHECKPOINT_PERIOD", "5000", "GLOVE_DIR", "./datasets/vg/", "MODEL.PRETRAINED_DETECTOR_CKPT",
    "./checkpoints/pretrained_faster_rcnn/model_final.pth", "SOLVER.PRE_VAL", "False", "SOLVER.GRAD_NORM_CLIP", "5.0",
    "ROI_RELATION_HEAD.VIS_PRO_DIM", "4096", "ROI_RELATION_HEAD.STORE_UNION", "False",
    "ROI_RELATION_HEAD.VIS_VAE_LATENT_DIM", "1024", "ROI_RELATION_HEAD.VIS_VAE_INPUT_DIM", "4096",
    "ROI_RELATION_HEAD.VIS_PRO_PATH", "./output/relation_baseline/vg_vis_protos.pt",
]  # fmt: skip
WIDTHS = {"LLAMA": ("4096", "1024", "4096"), "CLIP": ("2304", "576", "2304")}
PATHS = [
    HEAD + "CON_PRO_CLIP_PATH", "./output/relation_baseline/vg_clip_refine_con_protos.pt",
    HEAD + "CON_PRO_LLAMA_PATH", "./output/relation_baseline/vg_llama_con_protos.pt", "MODEL.USE_REWEIGHT", "PENET",
]  # fmt: skip


def get(config, key):
    for name in key.split("."):
        config = config[name]
    return list(config) if isinstance(config, tuple) else config


@pytest.mark.parametrize("kind", ["LLAMA", "CLIP"])
def test_a_published_command_arrives_whole(kind):
    keys = [HEAD + "CON_PRO_DIM", HEAD + "CON_VAE_LATENT_DIM", HEAD + "CON_VAE_INPUT_DIM"]
    widths = [word for pair in zip(keys, WIDTHS[kind], strict=True) for word in pair]
    overrides = [*COMMON, *widths, HEAD + "CON_PRO_TYPE", kind, *PATHS]
    config = load_config(CONFIGS / f"{RELATION}.yaml", overrides)
    for key, word in zip(overrides[::2], overrides[1::2], strict=True):
        value = get(config, key if not key.startswith("ROI") else "MODEL." + key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert value == float(word), key
        else:
            assert str(tuple(value) if isinstance(value, list) else value) == word, key
    assert Task.from_cfg(config) is Task.PREDCLS


def test_a_space_after_a_backslash_in_a_published_command_is_explained():
    cut = COMMON + [HEAD + "CON_PRO_DIM", "4096", " "]
    with pytest.raises(ValueError, match="trailing backslash"):
        load_config(CONFIGS / f"{RELATION}.yaml", cut)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_file_loads_and_says_first_what_it_is(path):
    load_config(path)
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize(
    ("name", "base", "differs"),
    [
        (RELATION, None, ()),
        (DETECTOR, None, ()),
        ("e2e_relation_detector_R_101_FPN_1x", DETECTOR, ()),
        # Published: no name, because the backbone fetches torchvision's weights when it is built.
        ("e2e_relation_detector_VGG16_1x", DETECTOR, ("MODEL.WEIGHT",)),
        ("e2e_relation_R_101_FPN_1x", None, ()),
        ("e2e_relation_VGG16_1x", "e2e_relation_R_101_FPN_1x", ()),
    ],
)
def test_files_have_the_published_values(shared, name, base, differs):
    published = yaml.safe_load((shared / "reference/config-values.yaml").read_text())
    wanted = {**published.get(base, {}), **published[name]}
    config = load_config(CONFIGS / f"{name}.yaml")
    assert {key: get(config, key) for key in wanted if key not in differs} == {
        k: v for k, v in wanted.items() if k not in differs
    }


@pytest.mark.parametrize(
    "stem",
    ["X_101_32_8_FPN_1x", "R_101_FPN_1x", "R_50_FPN_1x", "VGG16_1x", "gqa/X_101_32_8_FPN_1x", "oiv6/X_101_32_8_FPN_1x"],
)
def test_a_relation_file_describes_the_same_detector_as_the_detector_s(stem):
    folder, _, stem = stem.rpartition("/")
    detector = load_config(CONFIGS / folder / f"e2e_relation_detector_{stem}.yaml")
    relation = load_config(CONFIGS / folder / f"e2e_relation_{stem}.yaml")
    for section in ("BACKBONE", "RESNETS", "ROI_BOX_HEAD", "VGG", "FPN"):
        assert relation.MODEL[section] == detector.MODEL[section]
    assert relation.MODEL.RPN.ANCHOR_STRIDE == detector.MODEL.RPN.ANCHOR_STRIDE
    assert (relation.MODEL.RELATION_ON, detector.MODEL.RELATION_ON) == (True, False)
    assert relation.DATASETS == detector.DATASETS
    assert relation.MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM == relation.MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM
