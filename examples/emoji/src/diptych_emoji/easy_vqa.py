"""easy-VQA: 5,000 pictures of one coloured shape, with questions, from the PyPI package."""

from __future__ import annotations

import difflib
from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from diptych_emoji.blind import blind_baseline


EasySplit = Literal["train", "test"]
SPLITS = ("train", "test")


@frozen
class EasyQuestion:
    """One question about one picture.

    Attributes:
        text: The question as the package has it, lower-case.
        answer: One of its 13 answers.
        image: The number of its picture within the split.
    """

    text: str
    answer: str
    image: int


def easy_questions(split: EasySplit = "train") -> list[EasyQuestion]:
    """Reads one split's questions.

    Args:
        split: "train" (38,575 questions on 4,000 pictures) or "test" (9,673 on 1,000).

    Returns:
        The questions in file order: all those of one picture stand together.

    Raises:
        ValueError: There is no such split.
    """
    import easy_vqa

    readers = {"train": easy_vqa.get_train_questions, "test": easy_vqa.get_test_questions}
    return list(map(EasyQuestion, *readers[_checked(split)]()))


def easy_images(split: EasySplit = "train") -> NDArray[np.uint8]:
    """Reads one split's pictures.

    Args:
        split: "train" or "test".

    Returns:
        uint8 [b 64 64 3], RGB; row i is picture i.

    Raises:
        ValueError: There is no such split.
    """
    import easy_vqa

    readers = {"train": easy_vqa.get_train_image_paths, "test": easy_vqa.get_test_image_paths}
    paths = readers[_checked(split)]()
    return np.stack([_read(paths[number]) for number in range(len(paths))])


def easy_answers() -> tuple[str, ...]:
    """The 13 answers that occur."""
    import easy_vqa

    return tuple(easy_vqa.get_answers())


def easy_blind() -> float:
    """What the most common training answer to each test question scores, in 0..1 (0.670)."""
    train, test = (
        [((question.text,), question.answer) for question in easy_questions(split)]
        for split in ("train", "test")
    )
    return blind_baseline(train, test)


def _checked(split: str) -> str:
    """The split, or an error that names the nearest one."""
    if split not in SPLITS:
        near = difflib.get_close_matches(split, SPLITS, 1, 0)[0]
        raise ValueError(
            f"easy-VQA has no split {split!r}; did you mean {near!r}? One of {SPLITS}."
        )
    return split


def _read(path: str) -> NDArray[np.uint8]:
    """One picture file as uint8 [64 64 3]."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
