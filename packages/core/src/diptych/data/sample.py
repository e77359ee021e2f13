"""What a sample is: a conversation in which turns hold text and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from attrs import field, frozen
from PIL import Image

from diptych.errors import DataError


Picture = Image.Image | np.ndarray
"""A Pillow image, or an array uint8 [h w 3]."""


@frozen
class Thought:
    """What the assistant says to itself before it answers or paints: learned, and left out of what it says."""

    text: str


Exchange = tuple[str, *tuple[str | Thought, ...]]
"""A question, and what is said to it: thoughts, the answer."""


@frozen(eq=False)
class Request:
    """A request to paint that is more than a prompt: with pictures that it is about, or a thought about it."""

    text: str
    pictures: tuple[Picture, ...] = ()
    thought: Thought | None = None


Wish = str | Request
"""What is asked to be painted: a prompt alone, or a request."""


def words_of(wish: Wish) -> str:
    """Return what a wish says."""
    return wish if isinstance(wish, str) else wish.text


def shown_in(wish: Wish) -> tuple[Picture, ...]:
    """Return the pictures that a wish starts from; none for a prompt."""
    return () if isinstance(wish, str) else wish.pictures


def thought_of(wish: Wish) -> Thought | None:
    """Return what was thought about a wish before it is painted; None if nothing was, yet."""
    return None if isinstance(wish, str) else wish.thought


@frozen(eq=False)
class Turn:
    """What one side says: text and pictures, in order. A picture of the assistant is one to be made."""

    role: Literal["system", "user", "assistant"]
    content: tuple[str | Thought | Picture, ...]

    def text(self) -> str:
        """Return the text of the turn without its pictures."""
        return "".join(each for each in self.content if isinstance(each, str))

    def pictures(self) -> list[Picture]:
        """Return the pictures of the turn."""
        return [each for each in self.content if not isinstance(each, str | Thought)]


@frozen(eq=False)
class Sample:
    """One training or test example. `facts` holds what a metric needs to know (the answer key)."""

    turns: tuple[Turn, ...]
    facts: Mapping[str, Any] = field(factory=dict)

    @staticmethod
    def paint(prompt: str, picture: Picture, thought: Thought | None = None, **facts: Any) -> Sample:
        """Make a sample that asks for a picture, with the thought that comes before it, if one does."""
        thoughts = (thought,) if thought else ()
        return Sample((Turn("user", (prompt,)), Turn("assistant", (*thoughts, picture))), facts)

    @staticmethod
    def edit(
        instruction: str,
        references: Sequence[Picture],
        picture: Picture,
        thought: Thought | None = None,
        **facts: Any,
    ) -> Sample:
        """Make a sample that asks for a picture made from others, the references, with the thought before it."""
        thoughts = (thought,) if thought else ()
        return Sample((Turn("user", (*references, instruction)), Turn("assistant", (*thoughts, picture))), facts)

    @staticmethod
    def ask(picture: Picture, *exchanges: Exchange, **facts: Any) -> Sample:
        """Make a sample of questions about a picture and what is said to each. The picture stands in the first one."""
        turns: list[Turn] = []
        for index, (question, *said) in enumerate(exchanges):
            shown = (picture,) if index == 0 else ()
            turns += [Turn("user", (*shown, question)), Turn("assistant", tuple(said))]
        return Sample(tuple(turns), facts)

    def picture(self) -> Picture | None:
        """Return the first picture, to be read or made."""
        return next((each for turn in self.turns for each in turn.pictures()), None)

    def picture_to_make(self) -> Picture | None:
        """Return the picture of the last assistant turn, if that is one."""
        last = self.turns[-1]
        made = last.pictures() if last.role == "assistant" else []
        return made[-1] if made else None

    def wish(self) -> Wish:
        """Return what the picture of the last turn is made from.

        It is the words and pictures of the turn before it, and the thought that stands before the picture.

        Raises:
            DataError: if that is no turn of the user's.
        """
        if len(self.turns) < 2 or self.turns[-2].role != "user":
            raise DataError(
                "a sample that ends with a picture to make needs a user's turn before it, which asks for it"
            )
        asked = self.turns[-2]
        thought = next((each for each in self.turns[-1].content if isinstance(each, Thought)), None)
        if thought or asked.pictures():
            return Request(asked.text(), tuple(asked.pictures()), thought)
        return asked.text()

    def only_paints(self) -> bool:
        """Say whether the last turn makes a picture and says nothing aloud beside it."""
        return self.picture_to_make() is not None and not self.turns[-1].text()

    def has_answer(self, *, thoughts: bool = False) -> bool:
        """Say whether an assistant turn has text to learn, thoughts before a picture among it if they are asked for."""
        said = any(turn.role == "assistant" and turn.text() for turn in self.turns)
        return said or (thoughts and self.only_paints() and thought_of(self.wish()) is not None)
