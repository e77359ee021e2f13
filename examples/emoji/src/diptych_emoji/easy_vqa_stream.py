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


@cache
def questions_by_picture(split: EasySplit) -> Sequence[Sequence[EasyQuestion]]:
    """Return the questions of each picture of a split."""
    found: dict[int, list[EasyQuestion]] = defaultdict(list)
    for question in easy_questions(split):
        found[question.image].append(question)
    return [found[image] for image in range(len(found))]


@frozen
class EasyVqaStream:
    """Samples by picture; each asks some of the picture's questions."""

    spec: EasyVqa
    _pictures: NDArray[np.uint8] = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Read the pictures: uint8 [b 64 64 3]."""
        object.__setattr__(self, "_pictures", easy_images(self.spec.split))

    def __len__(self) -> int:
        """Count pictures."""
        return len(self._pictures)

    def sample(self, index: int) -> Sample:
        """Return the sample of picture `index`."""
        asked = questions_by_picture(self.spec.split)[index]
        rng = np.random.default_rng((self.spec.seed, index))
        chosen = [asked[i] for i in rng.permutation(len(asked))[: self.spec.questions]]
        seen = (Thought(told(asked)),) if self.spec.think else ()
        return Sample.ask(
            self._pictures[index], *((each.text, *seen, each.answer) for each in chosen)
        )
