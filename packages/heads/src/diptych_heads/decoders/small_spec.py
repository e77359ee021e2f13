"""What the specs of the small decoders share: the features' grid, the loss, the noise. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen, validators

from diptych.errors import Problem, SpecError
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_heads.sizes import known


if TYPE_CHECKING:
    from diptych_heads.decoders.pixel_loss import PixelLoss

_WEIGHT = validators.ge(0)


@frozen(kw_only=True)
class SmallDecoderSpec(PartSpec):
    """Features to pixels in one pass, learned by a pixel loss."""

    kind: ClassVar[str] = "decoder"
    l1: float = setting("weight of the mean absolute error", default=1.0, check=_WEIGHT)
    mse: float = setting("weight of the mean squared error", default=1.0, check=_WEIGHT)
    edges: float = setting(
        "weight of the mean absolute error of differences between neighbouring pixels",
        default=0.0,
        check=_WEIGHT,
    )
    noise: float = setting(
        "spread of the noise put on normalised features in training, so that slightly wrong "
        "features decode well; each sample's level is this times |z|, z standard normal",
        default=0.0,
        check=_WEIGHT,
    )
    channels: int | None = inferred("channels of the features")
    height: int | None = inferred("rows of the features' grid")
    width: int | None = inferred("columns of the features' grid")

    def ports(self) -> Ports:
        """Take features, give pixels."""
        return Ports(
            inputs={"features": Port("b (height width) channels", "what is drawn")},
            outputs={"image": Port("b 3 image_size image_size", "pixels in [-1, 1]")},
        )

    def frame(self) -> dict[str, Any]:
        """Return what every such module is built with.

        Raises:
            SpecError: if a size is unknown, or the grid is not square.
        """
        height, width = known(self, "height"), known(self, "width")
        if height != width:
            message = (
                f"the features' grid is {height} x {width}, but this decoder draws square pictures"
            )
            raise SpecError([Problem("width", message, "mismatch")], type(self).__name__)
        return {
            "channels": known(self, "channels"),
            "height": height,
            "noise": self.noise,
            "pixel_loss": self._pixel_loss(),
        }

    def _pixel_loss(self) -> PixelLoss:
        from diptych_heads.decoders.pixel_loss import PixelLoss

        return PixelLoss(l1=self.l1, mse=self.mse, edges=self.edges)
