"""`patches`: the simplest encoder there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych.spec.preprocess import Preprocess


if TYPE_CHECKING:
    from torch import nn


def _divides(spec: Patches, _: object, patch: int) -> None:
    if spec is not None and spec.image_size % patch:
        fitting = [n for n in range(1, spec.image_size + 1) if spec.image_size % n == 0]
        raise ValueError(f"patch size {patch} does not divide {spec.image_size}; {fitting} do")


@frozen
class Patches(PartSpec):
    """The pixels of each patch as its feature; no weights."""

    kind: ClassVar[str] = "encoder"
    image_size: int = setting("side of the picture in pixels", default=64, check=validators.ge(1))
    patch_size: int = setting("side of a patch in pixels", default=16, check=[validators.ge(1), _divides])

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch_size

    @property
    def width(self) -> int:
        """Numbers in a patch."""
        return 3 * self.patch_size**2

    def preprocess(self) -> Preprocess:
        """Scale pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size)

    def ports(self) -> Ports:
        """Take a picture, give one feature a patch."""
        return Ports(
            inputs={"image": Port("b 3 image_size image_size")},
            outputs={"features": Port("b (grid grid) width", "the pixels of each patch")},
        )

    def build(self) -> nn.Module:
        """Make the rearrangement."""
        from einops.layers.torch import Rearrange

        return Rearrange("b c (h p) (w q) -> b (h w) (c p q)", p=self.patch_size, q=self.patch_size)
