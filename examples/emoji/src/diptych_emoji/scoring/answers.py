"""Accuracy of answers, by exact match."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from diptych.data.sample import Picture, Turn
from diptych.eval.score import Score, fraction
from diptych.model import UnifiedModel
from diptych_emoji.blind import asked, blind_baseline
from diptych_emoji.easy_vqa import easy_blind, easy_images, easy_questions
from diptych_emoji.questions import KINDS, Question, question, questions
from diptych_emoji.scenes import render, sample_scene


if TYPE_CHECKING:
    from diptych_emoji.metrics import EasyVqaAnswers, Questions

_BATCH = 64
_LONGEST = 40


@frozen
class QuestionsMetric:
    """Asks every kind of question about scenes drawn from a seed."""

    spec: Questions

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return overall accuracy and that of each kind; `blind` is the most common answer to the same form."""
        rng = np.random.default_rng((seed, 77))
        styles = (self.spec.style,) if self.spec.style else ("fluent", "noto")
        pairs: list[tuple[Picture, Question]] = []
        for _ in range(self.spec.count):
            scene = sample_scene(rng, self.spec.split, kind=self.spec.only, styles=styles)
            for kind in KINDS:
                found = question(scene, rng, kind, self.spec.wordings)
                if found is not None:
                    pairs.append((render(scene), found))
        answers = answer_all(model, [(picture, each.text) for picture, each in pairs])
        hits: dict[str, list[bool]] = defaultdict(list)
        for (_, each), answer in zip(pairs, answers, strict=True):
            hits[each.kind].append(answer == each.answer)
        train = _training_questions(20_000, self.spec.wordings, self.spec.only)
        blind = blind_baseline(map(asked, train), [asked(each) for _, each in pairs])
        scores = [fraction("questions", [hit for own in hits.values() for hit in own], blind=blind)]
        for kind in hits:
            own = [asked(each) for _, each in pairs if each.kind == kind]
            scores.append(
                fraction(
                    f"questions/{kind}", hits[kind], blind=blind_baseline(map(asked, train), own)
                )
            )
        return scores


@frozen
class EasyVqaMetric:
    """Asks the test questions of easy-vqa."""

    spec: EasyVqaAnswers

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return the accuracy; `blind` is the most common training answer to the same question."""
        shown = easy_images("test")
        test = [each for each in easy_questions("test") if each.image < self.spec.images]
        answers = answer_all(model, [(shown[each.image], each.text) for each in test])
        hits = [answer == each.answer for answer, each in zip(answers, test, strict=True)]
        return [fraction("easy-vqa", hits, blind=easy_blind())]


def answer_all(model: UnifiedModel, asked_of: Sequence[tuple[Picture, str]]) -> list[str]:
    """Ask a model many (picture, question) pairs in batches."""
    answers: list[str] = []
    for start in range(0, len(asked_of), _BATCH):
        turns = [[Turn("user", pair)] for pair in asked_of[start : start + _BATCH]]
        answers += model.chat(turns, max_tokens=_LONGEST)
    return answers


def _training_questions(count: int, wordings: str, only: str | None) -> list[Question]:
    rng = np.random.default_rng(1)
    found: list[Question] = []
    while len(found) < count:
        found += questions(sample_scene(rng, "train", kind=only), rng, 4, wordings)  # type: ignore[arg-type]
    return found
