"""Pictures under the judge: painted ones, and those decoded from true features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from diptych.eval.score import Score, fraction
from diptych.model import UnifiedModel
from diptych_emoji.judge import Verdict, by_tag, ceiling, floor, judge, real
from diptych_emoji.prompts import Record, prompts
from diptych_emoji.scoring.seeds import own_seeds


if TYPE_CHECKING:
    from diptych_emoji.metrics import Painting, Reconstruction


@frozen
class PaintingMetric:
    """Paints one picture a prompt."""

    spec: Painting

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return GenEval's mean over categories, and each category, with the judge's ceiling and floor."""
        records: list[Record] = []
        seeds: list[int] = []
        for own in range(seed, seed + self.spec.seeds):
            drawn = _records(self.spec, own)
            records += drawn
            seeds += own_seeds(own, len(drawn))
        pictures = arrays(model.generate([record["prompt"] for record in records], seed=seeds))
        name = "painting" if self.spec.split == "seen" else f"painting-{self.spec.split}"
        return _scores(name, records, pictures, self.spec.seeds)


@frozen
class ReconstructionMetric:
    """Encodes real scenes and decodes them again."""

    spec: Reconstruction

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return the judge's mean over categories, and each category, with its ceiling and floor."""
        records = _records(self.spec, seed)
        halves = [real(records[i::2], style, seed) for i, style in enumerate(("fluent", "noto"))]
        shown = np.empty((len(records), *halves[0].shape[1:]), np.uint8)
        shown[0::2], shown[1::2] = halves
        pictures: list[Image.Image] = []
        for start in range(0, len(shown), 32):
            pictures += model.reconstruct(list(shown[start : start + 32]), seed=seed)
        return _scores("reconstruction", records, arrays(pictures), 1)


def _records(spec: Painting | Reconstruction, seed: int) -> list[Record]:
    return [
        each for each in prompts(spec.split, spec.per_tag, seed) if spec.only in (None, each["tag"])
    ]


def arrays(pictures: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """Turn pictures into one array uint8 [b h w 3]."""
    return np.stack([np.asarray(each) for each in pictures])


def _scores(
    name: str, records: Sequence[Record], pictures: NDArray[np.uint8], seeds: int
) -> list[Score]:
    verdicts = judge(pictures, records)
    shares, top, bottom = by_tag(records, verdicts), _ceiling(records), floor(pictures, records)
    beside = {"floor": bottom["overall"], "ceiling": top["overall"]}
    if seeds > 1:
        own = len(records) // seeds  # every seed has as many prompts
        rounds = [slice(own * k, own * (k + 1)) for k in range(seeds)]
        values = [by_tag(records[each], verdicts[each])["overall"] for each in rounds]
        beside |= {"least": min(values), "most": max(values)}
    overall = Score(name, shares["overall"], len(records), beside)
    tags = [tag for tag in shares if tag != "overall"]
    each = [
        fraction(
            f"{name}/{tag}", _hits(records, verdicts, tag), floor=bottom[tag], ceiling=top[tag]
        )
        for tag in tags
    ]
    return [overall, *each]


def _ceiling(records: Sequence[Record]) -> Mapping[str, float]:
    """Average the judge's ceiling over the two styles that pictures are trained on."""
    both = [ceiling(records, style) for style in ("fluent", "noto")]
    return {tag: (both[0][tag] + both[1][tag]) / 2 for tag in both[0]}


def _hits(records: Sequence[Record], verdicts: Sequence[Verdict], tag: str) -> list[bool]:
    return [
        verdict.correct
        for record, verdict in zip(records, verdicts, strict=True)
        if record["tag"] == tag
    ]
