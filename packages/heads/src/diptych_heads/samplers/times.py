"""The times at which samplers stop, and the types that all of them share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from diptych_heads.time_shift import shift_time


Velocity = Callable[[Tensor, float], Tensor]
"""dx/dt at a state `b ...` and a time in [0, 1]."""

Callback = Callable[[int, float, Tensor], None]
"""Called after each step with its number from 1, the time reached and the state `b ...`."""


def sampling_times(steps: int, shift: float = 1.0) -> list[float]:
    """Return `steps + 1` falling times from exactly 1 to exactly 0, even before the shift."""
    return [shift_time(1 - index / steps, shift) for index in range(steps)] + [0.0]
