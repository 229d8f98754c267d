"""Names of classes, predicates and attributes as files give them: text, one spelling each, the background first."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import shown

# Control characters and lone surrogates, which no terminal and no file should get.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Marks that nobody sees, by which names that look alike would differ. Joiners stay: scripts need them.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_LONGEST = 256  # letters of a name


def clean_name(value: Any, where: str) -> str:
    """
    A name in its one spelling: Unicode's composed form, single blanks between words, none around.

    Raises:
        UserError: no text, nothing but blanks, too long, or characters in it that steer a terminal or are invisible;
            `where` begins the message.
    """
    if not isinstance(value, str):
        raise UserError(f"{where}: a name must be text, found {shown(value)}")
    name = " ".join(unicodedata.normalize("NFC", value).split())
    if not name:
        raise UserError(f"{where}: a name must have a letter, found {shown(value)}")
    if CONTROL.search(name) or _INVISIBLE.search(name):
        raise UserError(f"{where}: a name must hold no control characters or invisible marks, found {shown(value)}")
    if len(name) > _LONGEST:
        raise UserError(f"{where}: a name must have at most {_LONGEST} letters, found {len(name)}: {shown(value)}")
    return name


def check_table(names: Sequence[str], key: str, said: Iterable[tuple[str, Any]], table: str, file: Path) -> None:
    """
    UserError if one table of a file contradicts another.

    Args:
        names: by id, the background first, as the table `key` has them.
        said: ids as text and names, as `table` has them.
    """
    known = {str(index): name for index, name in enumerate(names)}
    for index, name in said:
        if clean_name(name, f"{file}, {table}[{shown(index)}]") != known.get(index):
            gives = f"gives {shown(known[index])} the id {index}" if index in known else "has no such id"
            place = index if index in known else shown(index)
            raise UserError(f"{file}: {key} {gives}, {table} says that {place} is {shown(name)}")


def sided(predicates: Sequence[str]) -> list[str]:
    """The predicates that say left or right, which a mirror makes wrong."""
    return [predicate for predicate in predicates if re.search(r"\b(left|right)\b", predicate)]


def vocabulary(values: Sequence[Any], where: str, *, with_background: bool = False) -> tuple[str, ...]:
    """
    Clean names, the background first.

    Args:
        values: as the file has them, in the order of their ids.
        with_background: the first of them is the background; False: it is put before them.
    Raises:
        UserError: what is no name, a name twice (also where only blanks or the Unicode form differ), or the background
            where it is not.
    """
    names = [clean_name(value, f"{where}[{position}]") for position, value in enumerate(values)]
    if with_background and (not names or names[0] != BACKGROUND):
        raise UserError(f"{where}: the first name must be {BACKGROUND}, found {shown(names[0]) if names else 'none'}")
    names = names[1:] if with_background else names
    first: dict[str, int] = {BACKGROUND: -1}
    for position, name in enumerate(names):
        form = unicodedata.normalize("NFKC", name)  # the same for letters of full width, ligatures and the like
        if form == BACKGROUND:
            raise UserError(f"{where}: {BACKGROUND} is the name of class 0 and can be no other's")
        if form in first:
            given = [shown(values[p + with_background]) for p in (first[form], position)]
            alike = f"{given[0]} and {given[1]} differ by blanks or Unicode form alone"
            why = f"{given[0]} stands there twice" if given[0] == given[1] else alike
            raise UserError(f"{where}: {why}, and no name would tell the two apart")
        first[form] = position
    return (BACKGROUND, *names)
