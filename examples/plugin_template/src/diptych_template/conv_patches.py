"""`conv-patches`, the spec: fields, sizes and ports. No torch here, so that listing and checking stay quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych.spec.preprocess import Preprocess


if TYPE_CHECKING:
    from diptych_template.conv_patches_module import ConvPatchesEncoder


@frozen
class ConvPatches(PartSpec):
    """A small convolutional stem: overlapping 3x3 windows, then one feature a patch."""

    kind: ClassVar[str] = "encoder"
    image_size: int = setting("side of the picture in pixels", default=32, check=validators.ge(2))
    patch_size: int = setting("side of a patch in pixels, even", default=8, check=validators.ge(2))
    hidden: int = setting("channels between the two convolutions", default=32, check=validators.ge(1))
    width: int = setting("width of a feature", default=64, check=validators.ge(1))

    def __attrs_post_init__(self) -> None:
        """Refuse sizes that do not divide; the message is shown with the part's path in the spec."""
        if self.patch_size % 2 or self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size {self.patch_size} must be even and divide image_size {self.image_size}; "
                f"these do: {[n for n in range(2, self.image_size + 1, 2) if self.image_size % n == 0] or 'none'}"
            )

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch_size

    def preprocess(self) -> Preprocess:
        """Scale pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size)

    def ports(self) -> Ports:
        """Take a picture, give a square grid of features; names of fields and properties stand for their sizes."""
        return Ports(
            inputs={"image": Port("b 3 image_size image_size")},
            outputs={"features": Port("b (grid grid) width", "one feature a patch, row by row")},
        )

    def build(self) -> ConvPatchesEncoder:
        """Make the encoder; only now is torch imported."""
        from diptych_template.conv_patches_module import ConvPatchesEncoder

        return ConvPatchesEncoder(self.patch_size, self.hidden, self.width)
