"""Runs a suite on a model."""

from __future__ import annotations

from attrs import evolve

from diptych.eval.score import Score
from diptych.model import UnifiedModel
from diptych.spec.suite import Suite


def evaluate(model: UnifiedModel, suite: Suite, *, seed: int = 0) -> list[Score]:
    """Score a model by every metric of a suite, in order; scores bear the suite's names of the metrics.

    What a metric adds to its own name, such as the `/colour` of `questions/colour`, stays.
    """
    return [
        evolve(score, name=name + score.name[len(score.name.partition("/")[0]) :])
        for name, metric in suite.metrics.items()
        for score in metric.build().score(model, seed)
    ]
