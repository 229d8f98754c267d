"""Bodies: joint positions of a person in a pose, in metres from the point of contact."""

import math
from dataclasses import dataclass

import numpy as np

from maskrcnn_benchmark.data.scenes.canvas import Point

THIGH, SHIN, TORSO, UPPER_ARM, FOREARM, HEAD = 0.38, 0.40, 0.56, 0.27, 0.27, 0.19

# Degrees from hanging straight down, forward positive: near thigh, near shin, far thigh, far shin; then the torso's
# lean forward.
LEGS = {
    "standing": (4, 0, -6, -4, 0),
    "walking": (26, 10, -22, -34, 3),
    "sitting": (86, 4, 80, -8, -4),
    "lying": (6, 0, -4, -6, 0),
    "riding": (48, -12, 40, -18, 4),
    "cycling": (58, -8, 22, -30, 30),
    "kicking": (62, 52, -10, -12, -14),
    "pushing": (38, 2, -26, -44, 34),
    "bending": (10, -4, -10, -12, 42),
}
# Near upper arm, near forearm, far upper arm, far forearm.
ARMS = {
    "down": (-6, 4, 8, 14),
    "swing": (-26, -6, 28, 44),
    "low": (12, 8, -10, 4),
    "front": (28, 98, -10, 6),
    "hug": (22, 84, 34, 96),
    "reach": (58, 74, -14, 0),
    "grip": (66, 84, 56, 76),
    "high": (118, 150, -10, 8),
    "wide": (-62, -50, 70, 86),
    "lap": (16, 52, 24, 60),
    "rest": (8, 4, 20, 14),
}


@dataclass(frozen=True)
class Body:
    """Joints in metres, y up, facing +x. `up` is the direction of the head (unit vector)."""

    pelvis: Point
    neck: Point
    head: Point
    near_leg: tuple[Point, Point, Point]
    far_leg: tuple[Point, Point, Point]
    near_arm: tuple[Point, Point, Point]
    far_arm: tuple[Point, Point, Point]
    up: Point

    @property
    def near_hand(self) -> Point:
        return self.near_arm[-1]

    def chest(self, ahead: float) -> Point:
        """A point in front of the chest."""
        x = 0.45 * self.pelvis[0] + 0.55 * self.neck[0]
        y = 0.45 * self.pelvis[1] + 0.55 * self.neck[1]
        return x + ahead * self.up[1], y - ahead * self.up[0]


def pose_body(rng: np.random.Generator, legs: str, arms: str, jitter: float = 4.0) -> Body:
    """
    Places the joints of a pose.

    Args:
        rng: for a few degrees of variation.
        legs, arms: keys of LEGS and ARMS.
    Returns:
        Joints with the lowest foot at y = 0; sitting and riding, the seat at (0, 0); lying, the back at y = 0, the
        body's middle at x = 0 and the head at -x.
    """
    thigh_near, shin_near, thigh_far, shin_far, lean = (angle + rng.normal(0, jitter / 2) for angle in LEGS[legs])
    arm_angles = [angle + rng.normal(0, jitter) for angle in ARMS[arms]]
    up = (math.sin(math.radians(lean)), math.cos(math.radians(lean)))
    pelvis = (0.0, 0.0)
    neck = (TORSO * up[0], TORSO * up[1])
    shoulder = (0.9 * neck[0], 0.9 * neck[1])
    parts = {
        "pelvis": [pelvis],
        "neck": [neck],
        "head": [(neck[0] + 0.2 * up[0], neck[1] + 0.2 * up[1])],
        "near_leg": _chain(pelvis, (THIGH, thigh_near), (SHIN, shin_near)),
        "far_leg": _chain(pelvis, (THIGH, thigh_far), (SHIN, shin_far)),
        "near_arm": _chain(shoulder, (UPPER_ARM, arm_angles[0]), (FOREARM, arm_angles[1])),
        "far_arm": _chain(shoulder, (UPPER_ARM, arm_angles[2]), (FOREARM, arm_angles[3])),
    }
    if legs == "lying":
        middle = 0.5 * (TORSO + 0.3 - THIGH - SHIN)
        parts = {name: [(middle - y, x + 0.12) for x, y in points] for name, points in parts.items()}
        up = (-up[1], up[0])
    else:
        if legs in ("sitting", "riding"):
            lift = 0.1
        else:
            lift = 0.04 - min(y for name in ("near_leg", "far_leg") for _, y in parts[name])
        parts = {name: [(x, y + lift) for x, y in points] for name, points in parts.items()}
    single = {name: parts[name][0] for name in ("pelvis", "neck", "head")}
    return Body(**single, **{name: tuple(points) for name, points in parts.items() if name not in single}, up=up)


def _chain(start: Point, *bones: tuple[float, float]) -> list[Point]:
    """Points of a limb of (length, degrees from hanging down) bones."""
    points = [start]
    for length, degrees in bones:
        x, y = points[-1]
        points.append((x + length * math.sin(math.radians(degrees)), y - length * math.cos(math.radians(degrees))))
    return points
