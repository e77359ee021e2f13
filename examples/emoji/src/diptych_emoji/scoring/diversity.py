"""How much the pictures of one prompt differ from each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch.nn.functional import normalize

from diptych.eval.score import Score
from diptych.model import UnifiedModel
from diptych_emoji.blobs import blobs
from diptych_emoji.eye import features, prototypes
from diptych_emoji.judge import PROTOTYPE_STYLES, real
from diptych_emoji.prompts import Record, prompts
from diptych_emoji.scoring.painting import arrays
from diptych_emoji.scoring.seeds import own_seeds
from diptych_emoji.world import TRAIN_STYLES


if TYPE_CHECKING:
    from diptych_emoji.metrics import Diversity


@frozen
class DiversityMetric:
    """Paints several pictures a prompt and compares them with each other."""

    spec: Diversity

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return the spread of features and of places, each with that of real scenes of the same prompts."""
        records, count = prompts("seen", self.spec.per_tag, seed), self.spec.pictures
        wanted = [record["prompt"] for record in records]
        seeds = own_seeds(seed, len(wanted), count)
        painted = arrays(model.generate(wanted, n=count, seed=seeds)).reshape(
            len(records), count, 64, 64, 3
        )
        shown = np.stack([_real(record, count, seed) for record in records])
        return [
            Score(
                f"diversity/{name}",
                _mean(spread, painted),
                len(records),
                {"real": _mean(spread, shown)},
                unit,
            )
            for name, spread, unit in (
                ("features", feature_spread, "cosine"),
                ("places", place_spread, "px"),
            )
        ]


def _real(record: Record, count: int, seed: int) -> NDArray[np.uint8]:
    halves = [real([record] * count, style, seed)[i::2] for i, style in enumerate(TRAIN_STYLES)]
    return np.concatenate(halves)


def _mean(spread: Callable[[NDArray[np.uint8]], float], pictures: NDArray[np.uint8]) -> float:
    return float(np.mean([spread(own) for own in pictures]))


def feature_spread(pictures: NDArray[np.uint8]) -> float:
    """Average one minus the cosine of the judge's features over all pairs of pictures.

    Args:
        pictures: uint8 [k h w 3], at least two.

    Returns:
        0 for equal pictures, up to 2.
    """
    seen = normalize(features(list(pictures)) - prototypes(PROTOTYPE_STYLES).mean, dim=1)
    cosines = seen @ seen.T
    count = len(pictures)
    apart = ~torch.eye(count, dtype=torch.bool)
    return float((1 - cosines[apart]).mean())


def place_spread(pictures: NDArray[np.uint8]) -> float:
    """How far the first thing of a picture, in reading order, lies from where it lies on average, in pixels.

    Args:
        pictures: uint8 [k h w 3]; those without anything on them are left out.

    Returns:
        The root of the mean squared distance of the centres; 0 where nothing is left.
    """
    found = [blobs(picture) for picture in pictures]
    boxes = np.array([every[0].box for every in found if every], dtype=float)
    if not len(boxes):
        return 0.0
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return float(np.sqrt(((centres - centres.mean(0)) ** 2).sum(1).mean()))
