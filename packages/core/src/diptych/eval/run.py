"""Runs a suite on a model."""

from __future__ import annotations

from diptych.eval.score import Score
from diptych.model import UnifiedModel
from diptych.spec.suite import Suite


def evaluate(model: UnifiedModel, suite: Suite, *, seed: int = 0) -> list[Score]:
    """Score a model by every metric of a suite, in order."""
    return [score for metric in suite.metrics.values() for score in metric.build().score(model, seed)]
