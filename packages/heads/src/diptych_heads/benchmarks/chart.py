"""A line chart as SVG: both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle


_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#9c6b4e")
_WIDTH, _HEIGHT, _EDGE = 620, 360, 50


def chart(lines: Mapping[str, Mapping[int, float]]) -> str:
    """Draw distance (up) by evaluations of the network (right), a line a name: -> SVG text."""
    points = [(n, value) for row in lines.values() for n, value in row.items() if value > 0]
    left, right = (math.log(edge([n for n, _ in points])) for edge in (min, max))
    low, high = (math.log(edge([value for _, value in points])) for edge in (min, max))

    def place(n: int, value: float) -> str:
        x = _EDGE + (math.log(n) - left) / ((right - left) or 1) * (_WIDTH - 2 * _EDGE - 100)
        y = _EDGE + (high - math.log(value)) / ((high - low) or 1) * (_HEIGHT - 2 * _EDGE)
        return f"{x:.1f},{y:.1f}"

    body = []
    for colour, (name, row) in zip(cycle(_COLOURS), lines.items(), strict=False):
        spots = [place(n, value) for n, value in row.items() if value > 0]
        x, y = spots[-1].split(",")
        body.append(
            f'<polyline points="{" ".join(spots)}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{float(x) + 6}" y="{y}" fill="{colour}">{name}</text>'
        )
    for n in sorted({n for n, _ in points}):
        x = place(n, math.exp(low)).split(",")[0]
        body.append(f'<text x="{x}" y="{_HEIGHT - 30}" text-anchor="middle">{n}</text>')
    for value in (math.exp(low), math.exp((low + high) / 2), math.exp(high)):
        y = place(round(math.exp(left)), value).split(",")[1]
        body.append(f'<text x="{_EDGE - 6}" y="{y}" text-anchor="end">{value:.2g}</text>')
    middle = _WIDTH / 2
    body.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">evaluations</text>')
    body.append(f'<text x="{_EDGE}" y="24">distance to the exact solution, median sample</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">{"".join(body)}</svg>\n'
    )
