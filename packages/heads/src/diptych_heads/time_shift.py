"""The one-parameter warp of [0, 1] that spends more time at high noise."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor


Time = TypeVar("Time", float, Tensor)


def shift_time(t: Time, shift: float) -> Time:
    """Compute shift t / (1 + (shift - 1) t), which keeps 0 and 1 in place.

    Esser et al., arXiv 2403.03206, eq. 23.
    """
    return t if shift == 1 else shift * t / (1 + (shift - 1) * t)
