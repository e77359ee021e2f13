"""`squares`: pictures of one coloured square, made on the fly; enough to see something learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych.data.squares_stream import SquaresStream

COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (50, 80, 220), "black": (0, 0, 0)}
PLACES = ("top left", "top right", "bottom left", "bottom right")


@frozen
class Squares(PartSpec):
    """One coloured square in one of four places, with a caption, questions, and a request to paint or recolour it."""

    kind: ClassVar[str] = "dataset"
    image_size: int = setting("side of the picture in pixels", default=64, check=validators.ge(4))
    task: str = setting(
        "`ask` for questions and answers, `paint` for requests, `edit` for requests to give a square another colour",
        default="paint",
        check=validators.in_(["ask", "paint", "edit"]),
    )
    seed: int = setting("decides all samples", default=0)

    def build(self) -> SquaresStream:
        """Make the stream."""
        from diptych.data.squares_stream import SquaresStream

        return SquaresStream(self.image_size, self.task, self.seed)
