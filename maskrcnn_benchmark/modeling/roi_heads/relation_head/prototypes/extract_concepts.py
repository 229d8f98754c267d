"""Makes the file of conceptual prototypes from descriptions of the predicates, with a local language model."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.concepts import (
    read_descriptions,
    shipped_descriptions,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.text_models import ClipText, MeanState, model_folder
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress

logger = get_logger(__name__)


def conceptual_prototypes(kind: str, folder: Path, descriptions: Sequence[Sequence[str]]) -> Tensor:
    """
    The bank (K, V) of K predicates.

    Args:
        kind: CLIP, the embeddings of a predicate's texts side by side (V three times the projection's width); LLAMA,
            the mean state of a causal language model over the tokens of the texts read as one, without those that mark
            start and end (V its hidden size); SENTENCE, that of a sentence encoder, marks included. All as long as the
            model makes them, not normalised.
        folder: of the model.
        descriptions: K times three texts.
    """
    bar = {"desc": f"{kind} prototypes", "unit": "predicate"}
    if kind == "CLIP":
        clip = ClipText(folder)
        return torch.stack([torch.cat([clip(text) for text in texts]) for texts in progress(descriptions, **bar)])
    # Sentence encoders are trained with their marks in the mean; a causal model's start has read nothing and is the
    # same for every text.
    mean_state = MeanState(folder, special_tokens=kind == "SENTENCE")
    return torch.stack([mean_state(" ".join(texts)) for texts in progress(descriptions, **bar)])


def extract_conceptual_prototypes(
    kind: str, model: str, meta: DatasetMeta, path: str | Path, descriptions: str | None = None
) -> Tensor:
    """
    Writes the file of conceptual prototypes.

    Args:
        kind: CLIP, LLAMA or SENTENCE.
        model: folder of the model, or `packaged`.
        meta: has the predicates' names; statistics are not needed.
        path: the file to write.
        descriptions: file of descriptions; None: the package's own for these names.
    Returns:
        The bank (K, V).
    """
    folder = model_folder(model)
    file = shipped_descriptions(meta.predicates) if descriptions is None else Path(descriptions)
    texts = read_descriptions(file, meta.predicates)
    bank = conceptual_prototypes(kind, folder, texts)
    counts = torch.tensor([len(three) for three in texts])
    write_prototypes(
        path, bank, meta.predicates, counts=counts, source=f"{kind} {Path(model).name}, descriptions {file.name}"
    )
    logger.info(
        f"{path}: {len(bank)} {kind} prototypes from {file}, {bank.size(1)} wide: the value of CON_PRO_DIM and"
        " CON_VAE_INPUT_DIM"
    )
    return bank
