"""
The two published trainings in the three modes on rendered scenes: scripts/train.sh and scripts/test.sh as they are,
with prototype files of the project's own tools at the published paths and widths, from language models that are tiny
and random.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.data.scenes.vocabulary import PREDICATES
from maskrcnn_benchmark.data.scenes.write import Sizes, write_scenes
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.log import close_logging

transformers = pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/demo/predcls.yaml"
MODELS, TASKS = ("spln-llama", "spln-clip"), ("predcls", "sgcls", "sgdet")
BY_SCRIPT = ("spln-clip", "sgcls")
HEAD = "MODEL.ROI_RELATION_HEAD."
DETECTOR = Path("checkpoints/pretrained_faster_rcnn/model_final.pth")
RELATION = Path("output/relation_baseline/penet.pth")
VISUAL = RELATION.parent / "vg_vis_protos.pt"
CONCEPTUAL = {
    "LLAMA": RELATION.parent / "vg_llama_con_protos.pt",
    "CLIP": RELATION.parent / "vg_clip_refine_con_protos.pt",
}
TRAINED_ON = {"spln-llama": "detector", "spln-clip": "relation"}
LOSSES = {"loss_rel", "sem_simi_loss", "vis_simi_loss", "con_simi_loss", "vis_vae_loss", "con_vae_loss"}
# What makes the published settings small, and fits them to the scenes; the widths of conceptual prototypes stay.
SMALL = {
    "MODEL.DEVICE": "cpu",
    "MODEL.FREEZE_DETECTOR": True,
    "MODEL.RESNETS.BACKBONE_OUT_CHANNELS": 16,
    "MODEL.RPN.RPN_MID_CHANNEL": 16,
    "MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM": 32,
    "MODEL.ROI_HEADS.SCORE_THRESH": 0.0,
    HEAD + "CONTEXT_POOLING_DIM": 32,
    HEAD + "PENET_MLP_DIM": 16,
    HEAD + "BATCH_SIZE_PER_IMAGE": 16,
    HEAD + "VIS_PRO_DIM": 32,
    HEAD + "VIS_VAE_INPUT_DIM": 32,
    HEAD + "VIS_VAE_LATENT_DIM": 8,
    HEAD + "CON_VAE_LATENT_DIM": 8,
    "INPUT.MIN_SIZE_TRAIN": "(64,)",
    "INPUT.MAX_SIZE_TRAIN": 96,
    "INPUT.MIN_SIZE_TEST": 64,
    "INPUT.MAX_SIZE_TEST": 96,
    "DATALOADER.NUM_WORKERS": 0,
    "GLOVE_DIR": "packaged",
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.MAX_ITER": 2,
    "SOLVER.LOG_PERIOD": 1,
    "SOLVER.TO_VAL": False,
}
OVERRIDES = [str(word) for pair in SMALL.items() for word in pair]


def run_script(script, *words, **environment):
    """What a script of the working directory prints."""
    environment = {**os.environ, "CONFIG": CONFIG, "PYTHON": sys.executable, **environment}
    done = subprocess.run(
        ["bash", f"scripts/{script}", *words], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def command(script, model, task, *words):
    """The words that a script hands to its tool."""
    return shlex.split(run_script(script, model, task, *words, DRY_RUN="1"))


def tokenizer(**special):
    """A word a token, between <s> and </s> as CLIP has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    text = (ROOT / "maskrcnn_benchmark/data/descriptions/scenes.json").read_text().lower()
    words = ["[UNK]", "[PAD]", "<s>", "</s>", *sorted(set(re.findall(r"\w+|[^\w\s]+", text)))]
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokens.normalizer, tokens.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    if special:
        tokens.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
        )
    return len(words), transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokens, unk_token="[UNK]", model_max_length=200, **special
    )


def write_clip(folder):
    """As wide as ViT-L/14 where it shows, 768; nothing else is."""
    size, tokens = tokenizer(pad_token="[PAD]", bos_token="<s>", eos_token="</s>")
    config = transformers.CLIPTextConfig(
        vocab_size=size, hidden_size=8, intermediate_size=8, projection_dim=768, num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=200, pad_token_id=1, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    tokens.save_pretrained(folder)


def write_llama(folder):
    """As wide as the 7B models where it shows, 4096; nothing else is."""
    size, tokens = tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=size, hidden_size=4096, intermediate_size=8, head_dim=4, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokens.save_pretrained(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """
    A copy of the project's folders of commands, with scenes, an untrained detector and relation model, and two language
    models.
    """
    folder = tmp_path_factory.mktemp("published")
    for name in ("scripts", "tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    write_scenes(folder / "scenes", Sizes(3, 1, 2))
    torch.manual_seed(0)
    write_clip(folder / "clip")
    write_llama(folder / "llama")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(folder))
        patch.chdir(folder)
        off = [HEAD + "VIS_PRO_PATH", "", HEAD + "CON_PRO_TYPE", "NONE"]
        cfg = load_config(CONFIG, [*command("train.sh", "spln-llama", "predcls")[4:], *OVERRIDES, *off])
        state = build_detection_model(cfg, load_dataset_meta(cfg)).state_dict()
        for path, kept in (
            (DETECTOR, lambda name: not name.startswith("roi_heads.relation.")),
            (RELATION, lambda _: True),
        ):
            path.parent.mkdir(parents=True)
            torch.save({"model": {name: value for name, value in state.items() if kept(name)}}, path)
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(place))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(place)
    yield place
    close_logging()


def start(model):
    """
    Where a model's training starts: the detector alone, or a relation model over it, of whose features its prototypes
    are.
    """
    return ["MODEL.WEIGHT", str(RELATION) if TRAINED_ON[model] == "relation" else ""]


@pytest.fixture
def prototypes(call):
    """
    prototypes(model): the files that the model's training reads, made by the two tools with the training's own words.
    """

    def make(model):
        words = [*command("train.sh", model, "predcls")[2:], *OVERRIDES, *start(model)]
        status, said = call("extract_visual_prototypes", *words)
        assert status == 0, said
        kind = model.removeprefix("spln-").upper()
        status, said = call("extract_conceptual_prototypes", *words, "--type", kind, "--model", kind.lower())
        assert status == 0, said
        return torch.load(VISUAL, weights_only=True), torch.load(CONCEPTUAL[kind], weights_only=True)

    return make


def metrics_of(model, task):
    return Path(f"output/{model}-{task}/inference/scenes_test/metrics.json")


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_published_training_runs_in_the_three_modes_and_its_test_finds_the_same(model, prototypes, call):
    visual, conceptual = prototypes(model)
    assert visual["prototypes"].shape == (len(PREDICATES) + 1, 32)
    assert (
        visual["source"] == {"detector": DETECTOR, "relation": RELATION}[TRAINED_ON[model]].name
        and int(visual["counts"].sum()) > 0
    )
    assert conceptual["prototypes"].shape == (len(PREDICATES) + 1, {"spln-llama": 4096, "spln-clip": 2304}[model])
    for task in TASKS:

        def run(script, *words, task=task):
            """Once in a process of its own, as the script does it."""
            if (model, task) == BY_SCRIPT:
                run_script(script, model, task, *words)
            else:
                tool, *words = command(script, model, task, *words)[1:]
                status, said = call(Path(tool).stem, *words)
                assert status == 0, said

        train = ("train.sh", *OVERRIDES, *start(model))
        if task == "predcls":  # once in two parts
            run(*train, "--skip-test", "SOLVER.MAX_ITER", "1")
        run(*train)
        metrics = json.loads(metrics_of(model, task).read_text())
        assert metrics["mode"] == task and metrics["images"] == 2 and set(metrics["R"]) == {"20", "50", "100"}
        logged = [json.loads(line) for line in Path(f"output/{model}-{task}/metrics.jsonl").read_text().splitlines()]
        assert [line["iteration"] for line in logged] == [1, 2] and all(LOSSES <= line.keys() for line in logged)
        assert logged[-1]["loss_rel"] > 0, "there were pairs"
        assert all(0.2 < logged[-1][f"fusion_{term}"] < 0.6 for term in ("structural", "visual", "conceptual"))

        metrics_of(model, task).unlink()
        if task == TASKS[-1]:  # without prototype files the test is none the poorer
            VISUAL.unlink()
            CONCEPTUAL[model.removeprefix("spln-").upper()].unlink()
        run("test.sh", *OVERRIDES)
        assert json.loads(metrics_of(model, task).read_text()) == metrics
