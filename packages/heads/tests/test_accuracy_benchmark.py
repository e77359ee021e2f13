"""The command that measures distance by evaluations, on paths whose end is known."""

import pytest
import torch
from head_cases.small import normal

from diptych_heads.benchmarks.accuracy import Distance, distances
from diptych_heads.benchmarks.chart import chart
from diptych_heads.samplers.specs import Euler


def painter():
    noise, count = normal(2, 3, 4).double(), [0]

    def velocity(x, t):
        count[0] += 1
        return torch.sin(3 * x) + t

    def paint(sampler):
        count[0] = 0
        return sampler.build().sample(velocity, noise)

    return paint, count


def test_distances_fall_with_evaluations_and_keep_the_budget():
    paint, count = painter()
    found = distances(paint, count, [6, 12, 24], [1.0, 2.0], paint(Euler(4000)))
    assert len(found) == 12
    for name, row in found.items():
        assert all(n <= budget for n, budget in zip(row, (6, 12, 24), strict=True)), name
        values = [each.whole for each in row.values()]
        assert values[-1] < values[0] / 2, name
    assert list(found["heun"]) == [5, 11, 23]
    assert found["ab2"][24].whole < found["euler"][24].whole / 3


def test_one_sample_that_went_elsewhere_does_not_move_the_median():
    exact = normal(5, 3, 4)
    found = exact * 1.1
    found[2] = -exact[2]
    distance = Distance.between(found, exact)
    assert distance.median == pytest.approx(0.1, rel=1e-4)
    assert distance.whole > 0.5


def test_a_chart_names_every_line():
    text = chart({"euler": {4: 0.1, 8: 0.05}, "ab2": {4: 0.05, 8: 0.01}})
    assert text.startswith("<svg")
    assert text.count("<polyline") == 2
    assert ">euler<" in text
    assert ">ab2<" in text
