"""Makes the file of conceptual prototypes with a local language model."""

from pathlib import Path

import torch
from torch import Tensor

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes import concepts
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.text_models import (
    ClipText,
    LanguageModel,
    SentenceEncoder,
    model_folder,
)
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

KINDS = ("CLIP", "LLAMA", "SENTENCE")


def conceptual_prototypes(kind: str, folder: Path, meta: DatasetMeta) -> Tensor:
    """
    The bank (K, V) of a data set's predicates.

    Args:
        kind: CLIP, subject, predicate and object side by side (V three times the projection's width); LLAMA, a hidden state of a decoder;
            SENTENCE, a sentence encoder's vector.
        folder: of the model.
        meta: names and training statistics.
    """
    if kind == "CLIP":
        return concepts.separate_words(meta, ClipText(folder))
    if kind == "SENTENCE":
        return concepts.sentences(meta, SentenceEncoder(folder))
    return concepts.with_background(LanguageModel(folder).last_words(concepts.prompts(meta)))


def extract_conceptual_prototypes(kind: str, model: str, meta: DatasetMeta, path: str | Path) -> Tensor:
    """
    Writes the file of conceptual prototypes.

    Args:
        kind: CLIP, LLAMA or SENTENCE. model: folder of the model, or `packaged`. meta: names and training statistics. path: the file.
    Returns:
        The bank (K, V).
    """
    folder = model_folder(model)
    bank = conceptual_prototypes(kind, folder, meta)
    counts = torch.from_numpy(meta.predicate_counts().astype("int64"))
    write_prototypes(path, bank, meta.predicates, counts=counts, features="text", source=f"{kind} {folder.name}")
    logger.info(f"{path}: {len(bank)} conceptual prototypes of {kind}, {bank.size(1)} wide: the value of CON_PRO_DIM and CON_VAE_INPUT_DIM")
    return bank
