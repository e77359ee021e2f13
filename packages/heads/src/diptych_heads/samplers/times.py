"""The times at which samplers stop, and the types that all of them share."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from diptych_heads.time_shift import shift_time


Velocity = Callable[[Tensor, float], Tensor]
"""dx/dt at a state `b ...` and a time in [0, 1]."""

Callback = Callable[[int, float, Tensor], None]
"""Called after each step with its number from 1, the time reached and the state `b ...`."""


def sampling_times(steps: int, shift: float = 1.0, ends: float = 0.0) -> list[float]:
    """Return `steps + 1` falling times from exactly 1 to exactly 0.

    Args:
        steps: number of steps.
        shift: more than 1 takes more of the steps at high noise; 1 for none.
        ends: from 0, evenly, to 1, as the cosine of even angles (Chebyshev's points, close at both
            ends), before the shift.
    """

    def place(share: float) -> float:
        even = 1 - share
        return even if ends == 0 else (1 - ends) * even + ends * (1 + math.cos(math.pi * share)) / 2

    return [shift_time(place(index / steps), shift) for index in range(steps)] + [0.0]
