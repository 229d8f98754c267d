"""Letters of any script as pixels: matplotlib's DejaVu Sans, then whatever font of this machine has the letter."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_benchmark.utils.console import printable
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)
FIRST = "DejaVu Sans"
# Holds a box for every letter there is.
_NO_FONT = "Last Resort"


@lru_cache(maxsize=512)
def letters(text: str, size: int) -> np.ndarray:
    """
    A line of text, `size` pixels an em, as (h, w) uint8 shares of ink; h is the same for every text. A letter that no
    font of this machine has is written as its number (`\\u676f`), with a warning.
    """
    runs = [(part, _truetype(path, size)) for part, path in _runs(_drawable(text))]
    width = sum(font.getlength(part) for part, font in runs)
    height, base = round(1.25 * size), round(0.95 * size)
    canvas = Image.new("L", (max(1, int(np.ceil(width))), height))
    draw, left = ImageDraw.Draw(canvas), 0.0
    for part, font in runs:
        draw.text((left, base), part, fill=255, font=font, anchor="ls")
        left += font.getlength(part)
    return np.array(canvas)


def _drawable(text: str) -> str:
    """The text with what no font has as numbers."""
    text = printable(text).replace("\n", " ").replace("\t", " ")
    lacking = sorted({letter for letter in text if _font_of(letter) is None})
    if lacking:
        warn_once(
            logger,
            f"no font of this machine has {''.join(lacking)!r}: such letters stand on pictures as their numbers; a font"
            " of the script, such as Noto Sans (CJK) of your system's packages, draws them",
        )
    return "".join(letter.encode("unicode_escape").decode() if letter in lacking else letter for letter in text)


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """(part of the text, file of the font that has it), as few parts as there can be."""
    start, path = 0, None
    for place, letter in enumerate(text):
        found = path if path is not None and letter.isspace() else _font_of(letter)
        if path is not None and found != path:
            yield text[start:place], path
            start = place
        path = found
    if path is not None:
        yield text[start:], path


@lru_cache(maxsize=4096)
def _font_of(letter: str) -> str | None:
    """The file of the first font that has a letter."""
    return next((path for path in _font_files() if ord(letter) in _letters_of(path)), None)


@lru_cache(maxsize=1)
def _font_files() -> tuple[str, ...]:
    """Fonts of this machine, upright and of normal weight: DejaVu Sans, then Noto's, then others."""
    fonts = [
        font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal", "regular")
    ]
    fonts = [font for font in fonts if not font.name.startswith(_NO_FONT)]
    fonts.sort(key=lambda font: (font.name != FIRST, not font.name.startswith("Noto Sans"), font.name))
    return tuple(dict.fromkeys(font.fname for font in fonts))


@lru_cache(maxsize=256)
def _letters_of(path: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError) as error:
        logger.debug(f"font {path} cannot be read: {error}")
        return frozenset()


@lru_cache(maxsize=64)
def _truetype(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)
