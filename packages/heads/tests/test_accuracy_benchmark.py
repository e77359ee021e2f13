"""The command that measures distance by evaluations, on paths whose end is known."""

import math

import click
import pytest
import torch
from head_cases.small import normal

from diptych_heads.benchmarks.accuracy import Distance, _stopping, distances, lines_of
from diptych_heads.benchmarks.chart import chart
from diptych_heads.benchmarks.find_times import search, times_of
from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton
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
    assert len(found) == 14
    for name, row in found.items():
        assert all(n <= budget for n, budget in zip(row, (6, 12, 24), strict=True)), name
        values = [each.whole for each in row.values()]
        assert values[-1] < values[0] / 2, name
    assert list(found["heun"]) == [5, 11, 23]
    assert found["ab2"][24].whole < found["euler"][24].whole / 3
    assert found["abm"][24].whole < found["ab2"][24].whole / 3


def test_one_sample_that_went_elsewhere_does_not_move_the_median():
    exact = normal(5, 3, 4)
    found = exact * 1.1
    found[2] = -exact[2]
    distance = Distance.between(found, exact)
    assert distance.median == pytest.approx(0.1, rel=1e-4)
    assert distance.whole > 0.5


def test_prompts_and_times_are_read_and_nonsense_is_refused(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("a cat\n\n a dog \n")
    assert lines_of(file) == ["a cat", "a dog"]
    file.write_text("\n")
    with pytest.raises(click.UsageError, match="no prompts"):
        lines_of(file)
    assert _stopping("0.9, 0.2") == AdamsMoulton(3, times=(0.9, 0.2))
    for text in ("0.2,0.9", "soon"):
        with pytest.raises(click.UsageError, match=f"--times {text}"):
            _stopping(text)


def test_searched_times_come_closer_where_the_velocity_bends():
    """It bends at t = 0.8 only; what was found on some starts serves others."""
    seen, other = (normal(3, 4, seed=seed).double() for seed in (0, 1))

    def velocity(x, t):
        return math.tanh(40 * (t - 0.8)) * (1 + torch.cos(x))

    def error_on(x):
        exact = Euler(4000).build().sample(velocity, x)
        return lambda times: (
            (AdamsMoulton(6, times=tuple(times)).build().sample(velocity, x) - exact).norm().item()
        )

    start, told = AdamsMoulton(6).build().times()[1:-1], []
    found = search(error_on(seen), start, 80, lambda *each: told.append(each))
    assert [each[0] for each in told] == sorted((each[0] for each in told), reverse=True)
    assert told[-1][1] == found
    assert error_on(other)(found) < error_on(other)(start) / 2
    assert times_of([1.0, 1.0, 2.0]) == [0.75, 0.5]


def test_a_chart_names_every_line():
    text = chart({"euler": {4: 0.1, 8: 0.05}, "ab2": {4: 0.05, 8: 0.01}})
    assert text.startswith("<svg")
    assert text.count("<polyline") == 2
    assert ">euler<" in text
    assert ">ab2<" in text
