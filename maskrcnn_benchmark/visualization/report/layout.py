"""Where the nodes and edges of an image's graph lie on the page."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

# Units of the drawing; names stand outside the ring.
WIDTH, HEIGHT, RADIUS_X, RADIUS_Y = 460, 400, 125, 150
NODE = 8
# Names of nodes nearer to the middle than this share of the ring stand above and below it, others beside it.
MIDDLE = 0.12
# How far edges bend, in parts of their length, and how much further each next one between the same two nodes does.
BEND = 0.14


def lay_out(nodes: Sequence[dict[str, Any]], edges: Sequence[dict[str, Any]]) -> None:
    """
    Gives nodes their "x", "y" and the "anchor" of their name, on a ring in the order in which their boxes lie around
    the middle of all; gives edges their "path" and the place of their word, "x" and "y".
    """
    if not nodes:
        return
    boxes = np.array([node["box"] for node in nodes])
    ways = (boxes[:, :2] + boxes[:, 2:]) / 2
    ways = ways - ways.mean(axis=0)
    order = np.argsort(np.arctan2(ways[:, 1], ways[:, 0]), kind="stable")
    for place, row in enumerate(order.tolist()):
        angle = 2 * math.pi * (place / len(nodes)) - math.pi
        x, y = math.cos(angle), math.sin(angle)
        nodes[row] |= {
            "x": round(WIDTH / 2 + RADIUS_X * x, 1),
            "y": round(HEIGHT / 2 + RADIUS_Y * y, 1),
            "anchor": "middle" if abs(x) < MIDDLE else "start" if x > 0 else "end",
            "name_x": round(WIDTH / 2 + RADIUS_X * x + (0 if abs(x) < MIDDLE else math.copysign(13, x)), 1),
            "name_y": round(HEIGHT / 2 + (RADIUS_Y + (18 if abs(x) < MIDDLE else 0)) * y + 4, 1),
        }
    between: Counter[tuple[int, int]] = Counter()
    for edge in edges:
        pair = edge["subject"], edge["object"]
        edge |= _curve(*(np.array([nodes[end]["x"], nodes[end]["y"]]) for end in pair), between[pair])
        between[pair] += 1


def _curve(start: np.ndarray, end: np.ndarray, number: int) -> dict[str, Any]:
    """A bent arrow from node to node, or a loop; the number-th between the two."""
    way = end - start
    length = float(np.linalg.norm(way))
    if not length:
        x, y, size = *start, 26 + 10 * number
        path = f"M{x - 6:.1f},{y - NODE:.1f} C{x - size:.1f},{y - 2 * size:.1f} {x + size:.1f},{y - 2 * size:.1f}"
        return {"path": f"{path} {x + 6:.1f},{y - NODE - 4:.1f}", "x": round(x, 1), "y": round(y - 1.5 * size, 1)}
    aside = np.array([-way[1], way[0]]) * (BEND * (1 + number))
    control = (start + end) / 2 + aside
    first, last = (
        point + (control - point) / np.linalg.norm(control - point) * gap
        for point, gap in ((start, NODE + 1), (end, NODE + 6))
    )
    middle = 0.25 * first + 0.5 * control + 0.25 * last
    points = [f"{x:.1f},{y:.1f}" for x, y in (first, control, last)]
    return {
        "path": f"M{points[0]} Q{points[1]} {points[2]}", "x": round(middle[0], 1), "y": round(middle[1], 1)
    }  # fmt: skip
