"""Files, bases, overrides and the errors that explain what is wrong with them."""

import pytest
import yaml

from maskrcnn_benchmark.config import cfg, default_config, load_config, load_config_text
from maskrcnn_benchmark.config.removed import REMOVED
from maskrcnn_benchmark.utils.errors import UserError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def error(*overrides, file=None):
    with pytest.raises(UserError) as caught:
        load_config(file, overrides)
    return str(caught.value)


# ---- values ----


@pytest.mark.parametrize(
    ("key", "given", "wanted"),
    [
        ("MODEL.RELATION_ON", "True", True),
        ("MODEL.RELATION_ON", "true", True),
        ("SOLVER.TO_VAL", False, False),
        ("SOLVER.MAX_ITER", "60000", 60000),
        ("SOLVER.MAX_ITER", "6e4", 60000),
        ("SOLVER.BASE_LR", "5e-4", 5e-4),
        ("SOLVER.BASE_LR", 1, 1.0),
        ("SOLVER.STEPS", "(28000, 48000)", (28000, 48000)),
        ("SOLVER.STEPS", [28000, 48000], (28000, 48000)),
        ("SOLVER.STEPS", "28000", (28000,)),
        ("SOLVER.STEPS", "28000,48000", (28000, 48000)),
        ("INPUT.PIXEL_STD", "(1, 2, 3)", (1.0, 2.0, 3.0)),
        ("MODEL.RESNETS.STAGE_WITH_DCN", "(False, True, True, True)", (False, True, True, True)),
        ("DATASETS.TRAIN", "('scenes_train',)", ("scenes_train",)),
        ("DATASETS.TRAIN", "('scenes_train')", ("scenes_train",)),
        ("DATASETS.TRAIN", "scenes_train", ("scenes_train",)),
        ("DATASETS.TRAIN", "a_train, b_train", ("a_train", "b_train")),
        ("DATASETS.VAL", "", ()),
        ("TEST.BBOX_AUG.SCALES", "(400, 600)", (400, 600)),
        ("DTYPE", "bfloat16", "bfloat16"),
        ("MODEL.ROI_RELATION_HEAD.CON_PRO_TYPE", "'LLAMA'", "LLAMA"),
        ("MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH", "", ""),
        ("MODEL.WEIGHT", "123", "123"),
        ("DATASETS.TO_TEST", "val", "val"),
        ("DATASETS.TO_TEST", "None", None),
        ("DATASETS.TO_TEST", None, None),
    ],
)
def test_a_value_arrives_in_the_key_s_type(key, given, wanted):
    value = load_config(None, [key, given])
    for name in key.split("."):
        value = value[name]
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize(
    ("key", "given", "type_name"),
    [
        ("SOLVER.MAX_ITER", "many", "int"),
        ("SOLVER.MAX_ITER", "2.5", "int"),
        ("SOLVER.MAX_ITER", True, "int"),
        ("SOLVER.MAX_ITER", "", "int"),
        ("SOLVER.BASE_LR", "fast", "float"),
        ("SOLVER.BASE_LR", None, "float"),
        ("SOLVER.TO_VAL", "1", "bool"),
        ("SOLVER.STEPS", "(1, a)", "int"),
        ("SOLVER.MAX_ITER", "1e999", "int"),
        ("MODEL.WEIGHT", 5, "str"),
        ("INPUT.PIXEL_MEAN", "dark", "float"),
    ],
)
def test_a_value_of_another_type_says_what_is_wanted_and_what_was_found(key, given, type_name):
    message = error(key, given)
    assert key in message
    assert f"({type_name})" in message
    assert str(given) in message


def test_a_word_that_is_no_choice_lists_the_choices():
    assert "float32, float16, bfloat16" in error("DTYPE", "float8")


# ---- overrides ----


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("SOLVER.BASE_LRR", "SOLVER.BASE_LR"),
        ("MAX_ITER", "SOLVER.MAX_ITER"),
        ("MODEL.ROI_RELATION_HEAD.VIS_PROTO_PATH", "MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH"),
        ("VIS_PRO_DIM", "MODEL.ROI_RELATION_HEAD.VIS_PRO_DIM"),
        ("ROI_RELATION_HEAD.VIS_PRO_DIMM", "MODEL.ROI_RELATION_HEAD.VIS_PRO_DIM"),
        ("solver.max_iter", "SOLVER.MAX_ITER"),
        ("SOLVER.SCHEDULE.TYPE.X", "SOLVER.SCHEDULE.TYPE"),
    ],
)
def test_an_unknown_key_names_the_nearest(key, nearest):
    assert error(key, "1").endswith(f"nearest known key is {nearest}")


@pytest.mark.parametrize("key", sorted(REMOVED))
def test_a_removed_key_says_what_takes_its_place_wherever_it_stands(key, tmp_path):
    said = f"key {key} is gone: {REMOVED[key]}"
    assert error(key, "1") == error(key.removeprefix("MODEL.") if "RELATION_HEAD" in key else key, "1") == said
    tree = "1"
    for word in reversed(key.split(".")):
        tree = {word: tree}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(UserError, match="old.yaml: key .* is gone: "):
        load_config(tmp_path / "old.yaml")
    assert key not in cfg.known_keys()


def test_a_dump_of_an_earlier_version_is_one_error_about_all_removed_keys(write):
    file = write(
        "old.yaml",
        "MODEL:\n  REWEIGHT_BACKGROUND: 1.0\n  ROI_RELATION_HEAD:\n    FUSION: selective\n    VAE_REC_WEIGHT: 1.0\n",
    )
    said = error(file=file)
    keys = ("REWEIGHT_BACKGROUND", "ROI_RELATION_HEAD.FUSION", "ROI_RELATION_HEAD.VAE_REC_WEIGHT")
    assert all(f"key MODEL.{key} is gone" in said for key in keys)


def test_a_blank_word_where_a_key_belongs_says_so():
    assert "trailing backslash" in error("SOLVER.MAX_ITER", "10", " ")
    assert "word 3" in error("SOLVER.MAX_ITER", "10", " ", "SOLVER.BASE_LR", "1")


def test_a_blank_value_says_so_but_an_empty_one_is_legal():
    assert "trailing backslash" in error("MODEL.WEIGHT", " ")
    assert load_config(None, ["MODEL.WEIGHT", ""]).MODEL.WEIGHT == ""


def test_a_key_without_value_says_so():
    assert "SOLVER.MAX_ITER has no value" in error("SOLVER.MAX_ITER")
    assert "SOLVER.MAX_ITER has no value" in error("SOLVER.MAX_ITER", "SOLVER.BASE_LR", "0.1")
    assert "has no value" in error("MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH", "ROI_RELATION_HEAD.VIS_PRO_DIM", "4096")


def test_an_equals_sign_and_a_late_option_are_explained():
    assert "SOLVER.MAX_ITER 10" in error("SOLVER.MAX_ITER=10")
    assert "--skip-test" in error("SOLVER.MAX_ITER", "10", "--skip-test")


def test_a_section_takes_no_value():
    assert "SOLVER is a section" in error("SOLVER", "1")


def test_a_faulty_list_changes_nothing():
    tree = default_config()
    with pytest.raises(UserError):
        tree.merge_from_list(["SOLVER.MAX_ITER", "7", "SOLVER.BASE_LRR", "1"])
    assert tree.SOLVER.MAX_ITER == 40000


# ---- alias ----


def test_the_short_section_name_means_the_long_one_on_the_command_line_and_in_a_file(write):
    file = write("a.yaml", "ROI_RELATION_HEAD:\n  VIS_PRO_DIM: 7\n  CAUSAL:\n    EFFECT_TYPE: TDE\n")
    head = load_config(file, ["ROI_RELATION_HEAD.CON_PRO_DIM", "8"]).MODEL.ROI_RELATION_HEAD
    assert (head.VIS_PRO_DIM, head.CON_PRO_DIM, head.CAUSAL.EFFECT_TYPE) == (7, 8, "TDE")


def test_yacs_own_merges_take_the_same_spellings(write):
    tree = default_config()
    tree.merge_from_file(str(write("a.yaml", "ROI_RELATION_HEAD:\n  VIS_PRO_DIM: 7\n")))
    tree.merge_from_list(["ROI_RELATION_HEAD.CON_PRO_DIM", 8])
    tree.MODEL.merge_from_list(["ROI_RELATION_HEAD.VIS_VAE_LATENT_DIM", "9"])
    head = tree.MODEL.ROI_RELATION_HEAD
    assert (head.VIS_PRO_DIM, head.CON_PRO_DIM, head.VIS_VAE_LATENT_DIM) == (7, 8, 9)


# ---- files ----


def test_a_base_is_merged_first_from_its_own_folder_and_a_list_in_order(write):
    write("base/a.yaml", "SOLVER: {MAX_ITER: 1, STEPS: [1, 2], BASE_LR: 5e-4}")
    write("base/b.yaml", "_BASE_: a.yaml\nSOLVER:\n  MAX_ITER: 2\n  STEPS: (3, 4)\n  VAL_PERIOD: 3\n")
    write("c.yaml", "SOLVER: {VAL_PERIOD: 4}")
    solver = load_config(write("d.yaml", "_BASE_: [base/b.yaml, c.yaml]\nOUTPUT_DIR: x")).SOLVER
    assert (solver.MAX_ITER, solver.STEPS, solver.BASE_LR, solver.VAL_PERIOD) == (2, (3, 4), 5e-4, 4)


def test_a_base_that_leads_back_is_an_error(write):
    write("a.yaml", "_BASE_: b.yaml")
    assert "leads back" in error(file=write("b.yaml", "_BASE_: a.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SOLVER: [", "not valid YAML"),
        ("- 1\n- 2", "holds sections and keys"),
        ("SOLVER:\n  MAX_ITER: many\n", "wants a whole number"),
        ("SOLVER:\n  MAX_ITER:\n    NOW: 1\n", "is a key, not a section"),
        ("SOLVER: 3", "is a section"),
        ("SOLVER:\n  BASE_LRR: 1\n", "nearest known key is SOLVER.BASE_LR"),
        ("_BASE_: nowhere.yaml", "nowhere.yaml is not there"),
    ],
)
def test_a_faulty_file_is_named_in_the_error(write, text, said):
    file = write("bad.yaml", text)
    message = error(file=file)
    assert said in message
    assert str(file.parent) in message


def test_a_missing_file_and_one_that_is_no_text_are_errors(tmp_path):
    assert "none.yaml is not there" in error(file=tmp_path / "none.yaml")
    assert f"config file {tmp_path} is a folder: name a file" in error(file=tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "x.yaml" in error(file=tmp_path / "x.yaml")


def test_keys_of_older_code_bases_are_ignored_with_one_warning(write, caplog):
    old = (
        "PATHS_CATALOG: /a\nSEED: 5\nMODEL:\n  MASK_ON: False\n  RETINANET: {NUM_CLASSES: 81}\n  FBNET: {ARCH: x,"
        " WIDTH: {DEEP: 1}}\n"
    )
    config = load_config(write("config.yml", old))
    assert config.SEED == 5
    (record,) = caplog.records
    assert all(
        name in record.getMessage() for name in ("MODEL.MASK_ON", "MODEL.RETINANET", "MODEL.FBNET", "PATHS_CATALOG")
    )
    assert load_config(None, ["AMP_VERBOSE", "True", "SEED", "6"]).SEED == 6


def test_a_dump_reads_back_as_the_same_config():
    config = load_config(None, ["SOLVER.STEPS", "(1, 2)", "DATASETS.TRAIN", "x_train", "DATASETS.TO_TEST", "val"])
    assert load_config_text(config.dump()) == config
    with pytest.raises(UserError, match="model_final.pth: unknown key"):
        load_config_text("X: 1", name="model_final.pth")


# ---- the tree ----


def test_load_config_is_new_and_frozen_and_leaves_the_defaults():
    config = load_config(None, ["SOLVER.MAX_ITER", "3"])
    assert config.is_frozen()
    assert cfg.SOLVER.MAX_ITER == 40000
    with pytest.raises(AttributeError):
        config.SOLVER.MAX_ITER = 4
    with pytest.raises(AttributeError):
        config.merge_from_list(["SOLVER.MAX_ITER", "4"])
