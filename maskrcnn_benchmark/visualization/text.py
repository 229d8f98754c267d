"""Text on pictures: legible on its own ground, placed where it covers least."""

import colorsys
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from maskrcnn_benchmark.visualization.letters import letters

# Pixels an em at scale 1.
EM = 30
MARGIN = 3

Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]


def color_of(index: int) -> Color:
    """The RGB colour of the index-th object; neighbours differ in hue by the golden ratio."""
    hue = (0.02 + index * 0.618034) % 1
    light = (0.42, 0.55, 0.34)[index % 3]
    return tuple(round(255 * channel) for channel in colorsys.hls_to_rgb(hue, light, 0.75))


def text_size(text: str, scale: float) -> tuple[int, int]:
    """(width, height) of a label's ground, in pixels."""
    height, width = letters(text, round(EM * scale)).shape
    return width + 2 * MARGIN, height + MARGIN


def put_label(
    image: np.ndarray, text: str, left: float, top: float, scale: float, ground: Color, ink: Color | None = None
) -> None:
    """Writes text on a filled rectangle from its upper left corner; the ink is by default black or white."""
    width, height = text_size(text, scale)
    x, y = round(left), round(top)
    cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), ground, -1)
    if ink is None:
        ink = (0, 0, 0) if 0.3 * ground[0] + 0.59 * ground[1] + 0.11 * ground[2] > 140 else (255, 255, 255)
    cover = letters(text, round(EM * scale))
    x, y = x + MARGIN, y + MARGIN // 2
    # What of it lies on the image.
    part = image[max(y, 0) : max(y + cover.shape[0], 0), max(x, 0) : max(x + cover.shape[1], 0)]
    share = cover[max(-y, 0) :, max(-x, 0) :][: part.shape[0], : part.shape[1], None] / 255
    part[:] = np.rint(part * (1 - share) + np.array(ink) * share)


def put_where_free(
    image: np.ndarray,
    text: str,
    corners: Iterable[tuple[float, float]],
    taken: list[Rectangle],
    scale: float,
    ground: Color,
) -> None:
    """Writes a label at the best of these corners (`place`), and adds its rectangle to those that are taken."""
    rectangle = place(text_size(text, scale), corners, taken, (image.shape[1], image.shape[0]))
    put_label(image, text, rectangle[0], rectangle[1], scale, ground)
    taken.append(rectangle)


def place(
    size: tuple[int, int], corners: Iterable[tuple[float, float]], taken: Sequence[Rectangle], frame: tuple[int, int]
) -> Rectangle:
    """
    The xyxy rectangle of a label that covers least of those already taken, moved into the frame.

    Args:
        size, frame: (width, height).
        corners: candidates for its upper left one, the preferred first; the first without overlap wins.
    """
    others = np.asarray(taken, dtype=np.float64).reshape(-1, 4)
    best, best_cost = None, np.inf
    for x, y in corners:
        left = min(max(0.0, x), max(0.0, frame[0] - size[0]))
        top = min(max(0.0, y), max(0.0, frame[1] - size[1]))
        overlap_x = np.minimum(left + size[0], others[:, 2]) - np.maximum(left, others[:, 0])
        overlap_y = np.minimum(top + size[1], others[:, 3]) - np.maximum(top, others[:, 1])
        cost = float((overlap_x.clip(0) * overlap_y.clip(0)).sum())
        if cost < best_cost:
            best, best_cost = (left, top, left + size[0], top + size[1]), cost
        if cost == 0:
            break
    if best is None:
        raise ValueError("place: no candidate corner given")
    return best
