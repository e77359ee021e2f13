"""Fits the normalisers of targets, on data, before the stage that needs them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from diptych.data.mixture import Mixture
from diptych.model import UnifiedModel
from diptych.objectives.batch import Batch
from diptych.spec.paths import within
from diptych.spec.recipe import Stage


def fit_normalisers(model: UnifiedModel, stage: Stage, mixture: Mixture) -> None:
    """Fit each normaliser that is not fitted yet and whose step this stage trains, on `stage.fit` samples."""
    for step in model.spec.generate:
        trains = any(path == "generate" or within(path, f"generate.{step.name}") for path in stage.train)
        if step.normalise is None or not trains:
            continue
        normaliser = model.parts.step(step.name)["normalise"]
        if not bool(normaliser.fitted):
            normaliser.fit(_targets(model, step.target, stage, mixture))


@torch.no_grad()
def _targets(model: UnifiedModel, name: str, stage: Stage, mixture: Mixture) -> Iterator[Tensor]:
    for index in range(-(-stage.fit // 64)):
        batch = Batch(model, mixture.batch(index, 64))
        if batch.pictured:
            yield batch.features(name)
