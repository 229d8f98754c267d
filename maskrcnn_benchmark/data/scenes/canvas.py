"""Anti-aliased drawing with a mask per object, in pixels (Canvas) and in an object's own metres (Pen)."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

Color = tuple[int, int, int]
Point = tuple[float, float]

SUBPIXEL_BITS = 4


def shade(color: Color, factor: float) -> Color:
    """A colour times a factor, clipped to 0..255."""
    return tuple(int(min(255, max(0, channel * factor))) for channel in color)


class Canvas:
    """An RGB picture on which every stroke also marks the pixels of the object it belongs to."""

    def __init__(self, image: np.ndarray, num_objects: int):
        self.image = image
        self.masks = np.zeros((num_objects, *image.shape[:2]), np.uint8)
        self.owner: int | None = None

    def polygon(self, points: np.ndarray, color: Color, outline: Color | None = None) -> None:
        """Fills a polygon of (n, 2) pixel coordinates, with a thin outline where one is given."""
        fixed = [self._fixed(points)]
        cv2.fillPoly(self.image, fixed, color, cv2.LINE_AA, SUBPIXEL_BITS)
        if outline is not None:
            cv2.polylines(self.image, fixed, True, outline, 1, cv2.LINE_AA, SUBPIXEL_BITS)
        if self.owner is not None:
            cv2.fillPoly(self.masks[self.owner], fixed, 255, cv2.LINE_8, SUBPIXEL_BITS)

    def polyline(self, points: np.ndarray, color: Color, thickness: float) -> None:
        """Draws connected lines, with round ends, through (n, 2) pixel coordinates."""
        fixed, width = [self._fixed(points)], max(1, round(thickness))
        cv2.polylines(self.image, fixed, False, color, width, cv2.LINE_AA, SUBPIXEL_BITS)
        if self.owner is not None:
            cv2.polylines(self.masks[self.owner], fixed, False, 255, width, cv2.LINE_8, SUBPIXEL_BITS)

    def pattern(self, points: np.ndarray, color: Color, kind: str, spacing: float, angle: float = 0.0) -> None:
        """Paints stripes, bricks or spots of one colour inside a polygon; spacing in pixels, angle in radians."""
        height, width = self.image.shape[:2]
        left, top = np.maximum(np.floor(points.min(0)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(points.max(0)).astype(int) + 1, (width, height))
        if right <= left or bottom <= top:
            return
        inside = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(inside, [self._fixed(points - (left, top))], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
        across = (columns - points[0, 0]) * math.cos(angle) + (rows - points[0, 1]) * math.sin(angle)
        along = (rows - points[0, 1]) * math.cos(angle) - (columns - points[0, 0]) * math.sin(angle)
        spacing = max(3.0, spacing)
        if kind == "striped":
            chosen = (across / spacing) % 1 < 0.45
        elif kind == "bricks":
            course = np.floor(along / spacing)
            chosen = ((along / spacing) % 1 < 0.18) | (((across / spacing / 2 + course / 2) % 1) < 0.09)
        else:
            chosen = ((across / spacing) % 1 - 0.5) ** 2 + ((along / spacing) % 1 - 0.5) ** 2 < 0.09
        patch = self.image[top:bottom, left:right]
        patch[chosen & (inside > 127)] = color

    def light(self, index: int, slope_x: float, slope_y: float) -> None:
        """Brightens an object towards the light by a linear ramp over its bounding box, slopes in fractions."""
        x, y, width, height = cv2.boundingRect(self.masks[index])
        if width < 2 or height < 2:
            return
        ramp = 1 + slope_y * np.linspace(0.5, -0.5, height)[:, None] + slope_x * np.linspace(-0.5, 0.5, width)[None]
        patch, mask = self.image[y : y + height, x : x + width], self.masks[index, y : y + height, x : x + width]
        gain = np.where(mask > 0, ramp, 1.0).astype(np.float32)
        patch[:] = cv2.multiply(patch, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)

    @staticmethod
    def _fixed(points: np.ndarray) -> np.ndarray:
        return np.round(np.asarray(points, np.float64) * (1 << SUBPIXEL_BITS)).astype(np.int32)


class Pen:
    """Draws in metres: x to where the object faces, y up from its point of contact."""

    def __init__(self, canvas: Canvas, x: float, y: float, unit: float, flip: int = 1, angle: float = 0.0):
        """x, y: contact point in pixels; unit: pixels a metre; flip: 1 faces right, -1 left; angle: radians upwards."""
        self.canvas, self.unit, self.flip = canvas, unit, flip
        self.origin = np.array((x, y))
        self.turn = (math.cos(angle), math.sin(angle))

    def pixels(self, points: Sequence[Point]) -> np.ndarray:
        """(n, 2) metres -> (n, 2) pixels."""
        local = np.asarray(points, np.float64)
        cos, sin = self.turn
        x = local[:, 0] * cos - local[:, 1] * sin
        y = local[:, 0] * sin + local[:, 1] * cos
        return self.origin + self.unit * np.stack([self.flip * x, -y], 1)

    def polygon(self, points: Sequence[Point], color: Color, outline: bool = True) -> None:
        """Fills a polygon."""
        self.canvas.polygon(self.pixels(points), color, shade(color, 0.6) if outline else None)

    def pattern(self, points: Sequence[Point], color: Color, kind: str, spacing: float, angle: float = 0.0) -> None:
        """Patterns the inside of a polygon; spacing in metres."""
        self.canvas.pattern(self.pixels(points), color, kind, spacing * self.unit, angle)

    def line(self, points: Sequence[Point], color: Color, width: float) -> None:
        """Draws connected round-ended lines of a width in metres."""
        self.canvas.polyline(self.pixels(points), color, width * self.unit)

    def box(self, left: float, bottom: float, right: float, top: float, color: Color, outline: bool = True) -> None:
        """Fills a rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], color, outline)

    def oval(
        self, x: float, y: float, width: float, height: float, color: Color, angle: float = 0.0, outline: bool = True
    ) -> None:
        """Fills an ellipse of half `width` and `height`."""
        self.polygon(ring(x, y, width, height, angle), color, outline)


def ring(
    x: float, y: float, radius_x: float, radius_y: float | None = None, angle: float = 0.0, steps: int = 22
) -> list[Point]:
    """Points of an ellipse around (x, y), turned by an angle in radians."""
    radius_y = radius_x if radius_y is None else radius_y
    turns = np.linspace(0, 2 * math.pi, steps, endpoint=False)
    across, along = radius_x * np.cos(turns), radius_y * np.sin(turns)
    cos, sin = math.cos(angle), math.sin(angle)
    return list(zip(x + across * cos - along * sin, y + across * sin + along * cos, strict=True))
