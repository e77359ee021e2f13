"""The pictures and questions of easy-VQA as samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from diptych.data.sample import Sample, Thought
from diptych_emoji.easy_vqa import EasyQuestion, EasySplit, easy_images, easy_questions
from diptych_emoji.easy_vqa_facts import told


if TYPE_CHECKING:
    from diptych_emoji.datasets import EasyVqa


WAYS = 8
"""To turn and mirror a square."""


@cache
def questions_by_picture(split: EasySplit) -> Sequence[Sequence[EasyQuestion]]:
    """Return the questions of each picture of a split."""
    found: dict[int, list[EasyQuestion]] = defaultdict(list)
    for question in easy_questions(split):
        found[question.image].append(question)
    return [found[image] for image in range(len(found))]


def turned(picture: NDArray[np.uint8], way: int) -> NDArray[np.uint8]:
    """Return a picture [h h c] turned by `way % 4` right angles, and mirrored if `way` is 4 or more."""
    out = np.rot90(picture, way % 4)
    return np.ascontiguousarray(out[:, ::-1] if way >= WAYS // 2 else out)


@frozen
class EasyVqaStream:
    """Samples by picture; each asks some of the picture's questions."""

    spec: EasyVqa
    _pictures: NDArray[np.uint8] = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Read the pictures: uint8 [b 64 64 3]."""
        object.__setattr__(self, "_pictures", easy_images(self.spec.split))

    def __len__(self) -> int:
        """Count pictures, as often as each is shown."""
        return len(self._pictures) * (WAYS if self.spec.turned else 1)

    def sample(self, index: int) -> Sample:
        """Return the sample of picture `index`."""
        way, picture = divmod(index, len(self._pictures))
        asked = questions_by_picture(self.spec.split)[picture]
        rng = np.random.default_rng((self.spec.seed, index))
        chosen = [asked[i] for i in rng.permutation(len(asked))[: self.spec.questions]]
        seen = (Thought(told(asked)),) if self.spec.think else ()
        return Sample.ask(
            turned(self._pictures[picture], way),
            *((each.text, *seen, each.answer) for each in chosen),
        )
