from __future__ import annotations

import numpy as np
import pytest

from diptych.data.sample import Thought
from diptych_emoji.datasets import EasyVqa
from diptych_emoji.easy_vqa import (
    EasyQuestion,
    easy_answers,
    easy_blind,
    easy_images,
    easy_questions,
)
from diptych_emoji.easy_vqa_facts import COLOURS, SHAPES, told
from diptych_emoji.easy_vqa_stream import WAYS, questions_by_picture, turned


def test_sizes_and_answers() -> None:
    test = easy_questions("test")
    assert len(test) == 9673
    assert len(easy_questions("train")) == 38575
    assert {question.answer for question in test} <= set(easy_answers())
    assert len(easy_answers()) == 13


def test_pictures_answer_to_their_numbers() -> None:
    pictures = easy_images("test")
    assert pictures.shape == (1000, 64, 64, 3)
    assert max(question.image for question in easy_questions("test")) == 999


def test_blind_baseline() -> None:
    assert easy_blind() == pytest.approx(0.670, abs=5e-4)


def test_unknown_split() -> None:
    with pytest.raises(ValueError, match="did you mean 'train'"):
        easy_questions("training")


def _asked(*pairs: tuple[str, str]) -> list[EasyQuestion]:
    return [EasyQuestion(text, answer, 0) for text, answer in pairs]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("what is the blue shape?", "rectangle")], "blue rectangle"),
        ([("what color is the triangle?", "teal")], "teal triangle"),
        ([("is there a circle?", "yes")], "circle"),
        ([("is there not a red shape?", "no")], "red shape"),
        ([("is there not a circle?", "yes"), ("is no triangle present?", "yes")], "rectangle"),
        ([("is there a circle?", "no")], "shape"),
    ],
)
def test_questions_tell_what_a_picture_shows(pairs: list[tuple[str, str]], words: str) -> None:
    assert told(_asked(*pairs)) == words


def test_what_is_told_answers_every_question_it_can() -> None:
    whole = 0
    for asked in questions_by_picture("train"):
        known = told(asked).split()
        whole += len(known) == 2 and known[-1] != "shape"
        for each in asked:
            if each.answer in SHAPES + COLOURS:
                assert each.answer in known
    assert whole > 3500


def test_a_thought_comes_before_the_answer() -> None:
    sample = EasyVqa(questions=1, think=True).build().sample(0)
    thought, answer = sample.turns[1].content
    assert thought == Thought("blue rectangle")
    assert answer in easy_answers()


def test_a_picture_is_shown_in_all_eight_ways_with_its_own_questions():
    plain, every = EasyVqa(questions=2).build(), EasyVqa(questions=2, turned=True).build()
    assert len(every) == WAYS * len(plain)
    shown = [every.sample(3 + way * len(plain)) for way in range(WAYS)]
    pictures = [sample.picture() for sample in shown]
    assert np.array_equal(pictures[0], plain.sample(3).picture())
    assert len({picture.tobytes() for picture in pictures}) == WAYS
    for way, picture in enumerate(pictures):
        assert sorted(picture.reshape(-1, 3).tolist()) == sorted(
            pictures[0].reshape(-1, 3).tolist()
        )
        assert np.array_equal(picture, turned(pictures[0], way))
    known = {question.text for question in questions_by_picture("train")[3]}
    assert {turn.text() for sample in shown for turn in sample.turns[::2]} <= known


def test_turning_four_times_or_mirroring_twice_gives_the_picture_back():
    picture = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    quarter = picture
    for _ in range(4):
        quarter = turned(quarter, 1)
    assert np.array_equal(quarter, picture)
    assert np.array_equal(turned(turned(picture, 4), 4), picture)
