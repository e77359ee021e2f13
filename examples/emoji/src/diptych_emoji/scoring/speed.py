"""How long a picture takes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from attrs import frozen

from diptych.eval.score import Score
from diptych.model import UnifiedModel
from diptych_emoji.prompts import prompts


if TYPE_CHECKING:
    from diptych_emoji.metrics import Speed


@frozen
class SpeedMetric:
    """Paints pictures one by one and looks at the clock."""

    spec: Speed

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return the median of the seconds that one picture takes."""
        wanted = [record["prompt"] for record in prompts("seen", self.spec.pictures, seed)]
        model.generate(wanted[0], seed=seed)  # the first one pays for what is made once
        taken = []
        for index, prompt in enumerate(wanted[: self.spec.pictures]):
            began = time.perf_counter()
            model.generate(prompt, seed=seed + index)
            taken.append(time.perf_counter() - began)
        return [Score("speed", statistics.median(taken), len(taken), unit="s")]
