"""
Descriptions of predicates, from which conceptual prototypes are made: three sentences each on what it means in a
picture.

A file is JSON, {predicate: [three texts]}, "__background__" among the predicates. Those of Visual Genome 150, GQA-200,
Open Images V6 and the demo's scenes ship with the package, in data/descriptions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskrcnn_benchmark import data
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.log import get_logger
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
    The file of the package that describes all `predicates`, the one with the fewest others if several do.

    Raises:
        UserError: there is none; it names what the closest one lacks.
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
