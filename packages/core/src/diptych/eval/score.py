"""What a metric says: a value, how many samples stand behind it, and what it should be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from attrs import field, frozen


@frozen
class Score:
    """One measured number.

    Attributes:
        name: what was measured, such as `questions/colour`.
        value: a fraction in [0, 1] unless `unit` says otherwise.
        count: samples behind it.
        baselines: values to compare with by name: blind, floor, ceiling.
        unit: empty for a fraction.
    """

    name: str
    value: float
    count: int
    baselines: Mapping[str, float] = field(factory=dict)
    unit: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of a fraction (Wilson 1927); None for other units."""
        return wilson(self.value, self.count) if not self.unit else None


def wilson(fraction: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a fraction of `count` trials: both ends in [0, 1]."""
    if count == 0:
        return 0.0, 1.0
    centre = (fraction + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def fraction(name: str, hits: Sequence[bool], **baselines: float) -> Score:
    """Make a score out of hits and misses."""
    return Score(name, sum(hits) / len(hits) if hits else 0.0, len(hits), baselines)
