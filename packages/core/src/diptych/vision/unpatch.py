"""`unpatch`: the simplest pixel decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from diptych.vision.unpatch_module import UnpatchDecoder


@frozen
class Unpatch(PartSpec):
    """An MLP from each token to the pixels of its patch."""

    kind: ClassVar[str] = "decoder"
    patch_size: int = setting("side of a patch in pixels", default=16, check=validators.ge(1))
    hidden: int = setting("inner width", default=128, check=validators.ge(1))
    channels: int | None = inferred("channels of the features")
    grid: int | None = inferred("tokens along a side")

    @property
    def image_size(self) -> int | None:
        """Side of the picture in pixels."""
        return self.grid * self.patch_size if self.grid else None

    def ports(self) -> Ports:
        """Take a square grid of features, give a picture."""
        return Ports(
            inputs={"features": Port("b (grid grid) channels")},
            outputs={"image": Port("b 3 image_size image_size", "pixels in [-1, 1]")},
        )

    def build(self) -> UnpatchDecoder:
        """Make the decoder."""
        from diptych.vision.unpatch_module import UnpatchDecoder

        assert self.channels and self.grid
        return UnpatchDecoder(self.channels, self.hidden, self.patch_size, self.grid)
