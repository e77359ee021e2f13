from __future__ import annotations

import pytest

from diptych_emoji.easy_vqa import easy_answers, easy_blind, easy_images, easy_questions


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
