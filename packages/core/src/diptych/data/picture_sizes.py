"""The size that a picture is brought to, by the rules of published processors. Integers in, integers out."""

from __future__ import annotations

from math import ceil, floor, sqrt

from diptych.errors import DataError


def covering_size(width: int, height: int, box: tuple[int, int], shorter: int | None = None) -> tuple[int, int]:
    """Return (width, height) of the same aspect that covers a box (width, height), or whose shorter side is given.

    The longer side is rounded down, as CLIP's processor does.
    """
    if shorter is not None:
        side = min(width, height)
        return max(shorter, shorter * width // side), max(shorter, shorter * height // side)
    if box[0] * height >= box[1] * width:  # the width decides
        return box[0], max(box[1], box[0] * height // width)
    return max(box[0], box[1] * width // height), box[1]


def naflex_size(width: int, height: int, multiple: int, most: int) -> tuple[int, int]:
    """Return (width, height) in multiples, by the largest scale at which their area is at most `most`.

    The scale is found by bisection between 1e-6 and 100 to within 1e-5, as SigLIP 2's processor does.
    """

    def scaled(side: int, scale: float) -> int:
        return max(multiple, ceil(side * scale / multiple) * multiple)

    low, high = 1e-6, 100.0
    while high - low >= 1e-5:
        middle = (low + high) / 2
        if scaled(width, middle) * scaled(height, middle) <= most:
            low = middle
        else:
            high = middle
    return scaled(width, low), scaled(height, low)


def native_size(width: int, height: int, multiple: int, area: tuple[int, int]) -> tuple[int, int]:
    """Return the picture's (width, height) in multiples, scaled only where its area leaves the bounds (Qwen2-VL).

    Raises:
        DataError: if one side is over 200 times the other: no size in multiples keeps such an aspect.
    """
    if max(width, height) > 200 * min(width, height):
        raise DataError(f"a picture of {width} x {height} is too thin: one side may be at most 200 times the other")
    sides = [round(side / multiple) * multiple for side in (width, height)]
    if sides[0] * sides[1] > area[1]:
        by = sqrt(width * height / area[1])
        sides = [max(multiple, floor(side / by / multiple) * multiple) for side in (width, height)]
    elif sides[0] * sides[1] < area[0]:
        by = sqrt(area[0] / (width * height))
        sides = [ceil(side * by / multiple) * multiple for side in (width, height)]
    return sides[0], sides[1]
