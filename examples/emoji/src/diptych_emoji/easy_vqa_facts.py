"""What a picture of easy-VQA shows, as far as its questions and their answers tell."""

from __future__ import annotations

from collections.abc import Sequence

from diptych_emoji.easy_vqa import EasyQuestion


SHAPES = ("circle", "rectangle", "triangle")
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")


def told(asked: Sequence[EasyQuestion]) -> str:
    """Puts together what all questions of one picture tell: the package does not say what it drew.

    Args:
        asked: The questions of one picture, with their answers.

    Returns:
        "blue rectangle"; "shape" alone, or in the place of its name, where they leave it open.
    """
    colour, shape = _the_one(COLOURS, asked), _the_one(SHAPES, asked)
    return " ".join(filter(None, (colour, shape or "shape")))


def _the_one(words: Sequence[str], asked: Sequence[EasyQuestion]) -> str | None:
    """The word that is said to be shown, or the only one that is not denied."""
    denied = set()
    for each in asked:
        for word in words:
            said = _said(each, word)
            if said:
                return word
            if said is False:
                denied.add(word)
    left = [word for word in words if word not in denied]
    return left[0] if len(left) == 1 else None


def _said(question: EasyQuestion, word: str) -> bool | None:
    """Whether a question and its answer say that something is shown; None where they do not tell."""
    if question.answer == word:
        return True
    asks = question.text.rstrip("?").split()
    if word not in asks:
        return None
    if question.answer not in ("yes", "no"):
        return True  # "what color is the triangle?" takes the triangle for granted
    return (question.answer == "yes") != bool({"no", "not"} & set(asks))
