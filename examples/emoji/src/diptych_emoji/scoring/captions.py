"""Whether a caption names exactly what a scene shows."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from diptych.data.sample import Turn
from diptych.eval.score import Score, fraction
from diptych.model import UnifiedModel
from diptych_emoji.phrases import counted
from diptych_emoji.scenes import render, sample_scene
from diptych_emoji.streams import DESCRIBE
from diptych_emoji.world import BY_LABEL


if TYPE_CHECKING:
    from diptych_emoji.metrics import Captions

_BATCH = 64
_LONGEST = 64


@frozen
class CaptionsMetric:
    """Asks for captions of held-out scenes."""

    spec: Captions

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return the share of captions with the exact set of things, colours and counts; relations are not scored."""
        rng = np.random.default_rng((seed, 78))
        scenes = [sample_scene(rng, self.spec.split) for _ in range(self.spec.count)]
        captions: list[str] = []
        for start in range(0, len(scenes), _BATCH):
            own = scenes[start : start + _BATCH]
            captions += model.chat(
                [[Turn("user", (render(each), DESCRIBE))] for each in own], max_tokens=_LONGEST
            )
        hits = [
            named(caption) == scene.counts for caption, scene in zip(captions, scenes, strict=True)
        ]
        return [fraction("captions", hits)]


def named(caption: str) -> dict[str, int]:
    """Read which things a caption names, and how many of each: "two red hearts and a key" -> {red heart: 2, key: 1}."""
    found: dict[str, int] = {}
    for match in _pattern().finditer(caption):
        label, count = _phrases()[match.group()]
        found[label] = found.get(label, 0) + count
    return found


@cache
def _phrases() -> dict[str, tuple[str, int]]:
    ways = [
        (label, count, one) for label in BY_LABEL for count in (1, 2, 3) for one in (False, True)
    ]
    return {counted(label, count, one): (label, count) for label, count, one in ways}


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(_phrases(), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
