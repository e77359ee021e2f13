"""What the specs of image tokenizers have in common. No torch."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import whole


if TYPE_CHECKING:
    from diptych_encoders.modules.image_tokenizer import ImageTokenizerModule


@frozen
class ImageTokenizer(PartSpec):
    """Image size, vocabulary and code vectors."""

    kind: ClassVar[str] = "image_tokenizer"

    image_size: int = setting("side of the square image, in pixels", check=whole())
    vocabulary: int = setting("number of codes", check=whole())
    code_width: int = setting("width of a code vector", check=whole())

    @property
    @abstractmethod
    def grid(self) -> int:
        """Codes along a side."""

    def ports(self) -> Ports:
        """Say what flows in and out."""
        return Ports(
            inputs={"image": Port("b 3 image_size image_size", "pixels after `preprocess`")},
            outputs={"codes": Port("b (grid grid)", "ids below `vocabulary`, row-major")},
        )

    @abstractmethod
    def decoded(self) -> Port:
        """Say what the module's `decode` makes of ids: pixels or features."""

    @abstractmethod
    def preprocess(self) -> Preprocess:
        """Say what is done to an image."""

    @abstractmethod
    def load_weights(self, module: ImageTokenizerModule) -> None:
        """Put the weights named by `weights` into a module that this spec built.

        Raises:
            CheckpointError: if there are none there, or they are of a model with other sizes; the module is left as
                it was.
        """
