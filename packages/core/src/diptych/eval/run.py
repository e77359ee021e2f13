"""Runs a suite on a model."""

from __future__ import annotations

from collections.abc import Callable

from diptych.eval.score import Score
from diptych.model import UnifiedModel
from diptych.spec.suite import Suite


def evaluate(
    model: UnifiedModel, suite: Suite, *, seed: int = 0, progress: Callable[[str], None] | None = None
) -> list[Score]:
    """Score a model by every metric of a suite, in order."""
    scores: list[Score] = []
    for name, metric in suite.metrics.items():
        if progress:
            progress(name)
        scores += metric.build().score(model, seed)
    return scores
