"""Scores: intervals that are those of Wilson, and suites that are run in order."""

import pytest

from diptych.eval.run import evaluate
from diptych.eval.score import Score, fraction, wilson
from diptych.spec.part import PartSpec
from diptych.spec.suite import Suite


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals_are_the_published_ones(hits, count, low, high):
    assert wilson(hits / count, count) == pytest.approx((low, high), abs=2e-4)


def test_nothing_counted_says_nothing():
    assert wilson(0.0, 0) == (0.0, 1.0)
    assert fraction("x", []).value == 0.0


def test_other_units_have_no_interval():
    assert Score("time", 3.0, 5, unit="s").interval is None
    assert fraction("x", [True, False], blind=0.25).interval == wilson(0.5, 2)


def test_a_suite_runs_its_metrics_in_order_and_names_their_scores():
    class Fixed(PartSpec):
        kind = "metric"

        def __init__(self, name):
            self.name = name

        def build(self):
            return self

        def score(self, model, seed):
            return [fraction(f"{self.name}/{seed}", [model])]

    suite = Suite("s", {"first": Fixed("one"), "second": Fixed("one")})
    scores = evaluate(True, suite, seed=3)
    assert [score.name for score in scores] == ["first/3", "second/3"]
