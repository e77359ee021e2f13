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
from diptych_emoji.scenes import Scene, render, sample_scene
from diptych_emoji.world import held_out


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
        asked_of = self._questions(seed)
        answers = answer_all(model, [(render(scene), each.text) for scene, each in asked_of])
        hits: dict[str, list[bool]] = defaultdict(list)
        groups: dict[str, list[Question]] = defaultdict(list)
        for (scene, each), answer in zip(asked_of, answers, strict=True):
            for name in ("questions", f"questions/{each.kind}", *_novelty(scene)):
                hits[name].append(answer == each.answer)
                groups[name].append(each)
        train = [
            asked(each) for each in _training_questions(20_000, self.spec.wordings, self.spec.only)
        ]
        return [
            fraction(name, hits[name], blind=blind_baseline(train, map(asked, groups[name])))
            for name in sorted(hits)
        ]

    def _questions(self, seed: int) -> list[tuple[Scene, Question]]:
        rng = np.random.default_rng((seed, 77))
        styles = (self.spec.style,) if self.spec.style else ("fluent", "noto")
        found = []
        for _ in range(self.spec.count):
            scene = sample_scene(rng, self.spec.split, kind=self.spec.only, styles=styles)
            made = (question(scene, rng, kind, self.spec.wordings) for kind in KINDS)
            found += [(scene, each) for each in made if each is not None]
        return found


def _novelty(scene: Scene) -> list[str]:
    """Name what of a scene training never showed: a coloured shape, or else a pair of things it knows."""
    new = held_out(scene.labels)
    if not new:
        return []
    return [
        "questions/unseen-colour"
        if any(len(each) == 1 for each in new)
        else "questions/unseen-pair"
    ]


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
