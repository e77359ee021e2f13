"""Boxes in pixels and the spatial relations between them, after GenEval's rule."""

from __future__ import annotations

import math


Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are exclusive."""

RELATIONS = ("left of", "right of", "above", "below")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
THRESHOLD = 0.1  # GenEval's POSITION_THRESHOLD: share of the boxes' sizes that does not count


def strengths(a: Box, b: Box) -> dict[str, float]:
    """How strongly each relation holds from box a to box b.

    GenEval's rule: the offset of the centres, less a tenth of the summed sizes on each axis, over
    the length of the offset. A relation holds above 0.5, so a diagonal pair may have two.

    Args:
        a: The box that stands in the relation.
        b: The box it is compared with.

    Returns:
        A number in 0..1 for each of `RELATIONS`.
    """
    dx = (a[0] + a[2] - b[0] - b[2]) / 2
    dy = (a[1] + a[3] - b[1] - b[3]) / 2
    length = math.hypot(dx, dy)
    if length == 0:
        return dict.fromkeys(RELATIONS, 0.0)
    across = max(abs(dx) - THRESHOLD * (a[2] - a[0] + b[2] - b[0]), 0) / length
    along = max(abs(dy) - THRESHOLD * (a[3] - a[1] + b[3] - b[1]), 0) / length
    return {
        "left of": across if dx < 0 else 0.0,
        "right of": across if dx > 0 else 0.0,
        "above": along if dy < 0 else 0.0,
        "below": along if dy > 0 else 0.0,
    }


def holding(a: Box, b: Box, least: float = 0.5) -> frozenset[str]:
    """The relations that hold from box a to box b, as strongly as `least` (0..1)."""
    return frozenset(name for name, value in strengths(a, b).items() if value > least)


def apart(a: Box, b: Box, gap: int) -> bool:
    """Whether two boxes leave at least `gap` pixels between them on some axis."""
    return a[2] + gap <= b[0] or b[2] + gap <= a[0] or a[3] + gap <= b[1] or b[3] + gap <= a[1]
