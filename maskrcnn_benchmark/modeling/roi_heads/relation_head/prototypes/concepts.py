"""
SPLN's conceptual prototypes: embeddings of descriptions, three sentences per predicate on what it means in a picture.

A file of descriptions is JSON, {predicate: [three texts]}, "__background__" among the predicates. Those of Visual
Genome 150, GQA-200, Open Images V6 and the demo's scenes ship with the package, in data/descriptions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskrcnn_benchmark import data
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.text_models import ClipText, MeanState, model_folder
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.untrusted import read_json

logger = get_logger(__name__)

SHIPPED = Path(data.__file__).with_name("descriptions")
TEXTS = 3
_FORM = f'{{"predicate": [{TEXTS} texts]}}'


def read_descriptions(file: str | Path, predicates: Sequence[str]) -> list[tuple[str, ...]]:
    """
    The descriptions of a data set's predicates.

    Args:
        file: describes them all; what else it describes is not used, and a warning names it (not of the package's own
            files).
        predicates: K names, background first.
    Returns:
        K times three texts, in the order of `predicates`.
    Raises:
        UserError: a file that cannot be read, a predicate without description, or one that is not three different
            texts.
    """
    content = _read(file)
    missing = [name for name in predicates if name not in content]
    if missing:
        raise UserError(
            f"{file}: has no description of {some(missing)}; expected {_FORM} for each of the data set's"
            f" {len(predicates)} names, found {some(list(content)) or 'none'}"
        )
    unused = [name for name in content if name not in set(predicates)]
    if unused and Path(file).parent != SHIPPED:
        logger.warning(f"{file}: the data set has no predicate {some(unused)}; what describes it is not used")
    return [_three_texts(file, name, content[name]) for name in predicates]


def shipped_descriptions(predicates: Sequence[str]) -> Path:
    """
    The file of the package that describes all `predicates`, the one with the fewest others if several do. UserError:
    there is none; it names what the closest one lacks.
    """
    files = sorted(SHIPPED.glob("*.json"))
    names = {file: _read(file).keys() for file in files}
    closest = min(files, key=lambda file: (len(set(predicates) - names[file]), len(names[file])))
    lacking = [name for name in predicates if name not in names[closest]]
    if lacking:
        raise UserError(
            f"the package describes the predicates of {', '.join(file.stem for file in files)}, and the closest to this"
            f" data set, {closest.stem}, lacks {some(lacking)}; write descriptions of all {len(predicates)}, {_FORM},"
            " and name them: --descriptions FILE.json"
        )
    return closest


def _read(file: str | Path) -> dict[str, Any]:
    return read_json(file, dict, cure=f"it must be a JSON file {_FORM}")


def _three_texts(file: str | Path, name: str, texts: Any) -> tuple[str, ...]:
    def error(found: str) -> UserError:
        return UserError(f"{file}: expected {TEXTS} different texts that describe '{name}', found {found}")

    if not isinstance(texts, list):
        raise error(type(texts).__name__)
    if len(texts) != TEXTS:
        raise error(f"a list of {len(texts)}")
    strange = [text for text in texts if not isinstance(text, str) or not text.strip()]
    if strange:
        raise error(f"{strange[0]!r} among them")
    cleaned = tuple(" ".join(text.split()) for text in texts)
    twice = [text for text in cleaned if cleaned.count(text) > 1]
    if twice:
        raise error(f"one of them twice ('{twice[0]}')")
    return cleaned


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
