"""The images and questions of easy-vqa as samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import easy_vqa
import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from diptych.data.sample import Sample


if TYPE_CHECKING:
    from diptych_emoji.datasets import EasyVqa


@frozen
class Row:
    """One image and all of its questions."""

    path: str
    exchanges: tuple[tuple[str, str], ...]


@cache
def rows(split: str) -> Sequence[Row]:
    """Read the package's index: one row an image of the "train" or "test" split."""
    train = split == "train"
    asked, answers, ids = easy_vqa.get_train_questions() if train else easy_vqa.get_test_questions()
    paths = easy_vqa.get_train_image_paths() if train else easy_vqa.get_test_image_paths()
    by_image: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for question, answer, image in zip(asked, answers, ids, strict=True):
        by_image[image].append((question, answer))
    return [Row(paths[image], tuple(by_image[image])) for image in sorted(by_image)]


@cache
def pixels(path: str) -> NDArray[np.uint8]:
    """Read one image: -> uint8 [64 64 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@frozen
class EasyVqaStream:
    """Samples by image; each asks some of the image's questions."""

    spec: EasyVqa

    def __len__(self) -> int:
        """Count images."""
        return len(rows(self.spec.split))

    def sample(self, index: int) -> Sample:
        """Return the sample of image `index`."""
        row = rows(self.spec.split)[index]
        rng = np.random.default_rng((self.spec.seed, index))
        chosen = rng.permutation(len(row.exchanges))[: self.spec.questions]
        return Sample.ask(pixels(row.path), *(row.exchanges[i] for i in chosen))
