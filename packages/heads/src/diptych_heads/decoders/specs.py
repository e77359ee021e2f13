"""The specs of the decoders: `conv-pixels` and `patch-mlp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen, validators

from diptych.errors import Problem, SpecError
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_heads.sizes import known


if TYPE_CHECKING:
    from torch import nn

    from diptych_heads.decoders.pixel_loss import PixelLoss

_POSITIVE = validators.ge(1)
_WEIGHT = validators.ge(0)
_PORTS = Ports(
    inputs={"features": Port("b (height width) channels", "what is drawn")},
    outputs={"image": Port("b 3 image_size image_size", "pixels in [-1, 1]")},
)
_L1 = "weight of the mean absolute error"
_MSE = "weight of the mean squared error"
_EDGES = "weight of the mean absolute error of differences between neighbouring pixels"
_NOISE = (
    "spread of the noise put on normalised features in training, so that slightly wrong features "
    "decode well; each sample's level is this times |z|, z standard normal"
)


@frozen
class ConvPixels(PartSpec):
    """Residual convolutions, twice the size from level to level, pixel shuffle at the end."""

    kind: ClassVar[str] = "decoder"
    widths: tuple[int, ...] = setting("channels of each level; the grid doubles between levels")
    blocks: tuple[int, ...] = setting("residual blocks of each level")
    pixel_patch: int = setting(
        "side of the square that the last level's cells become", check=_POSITIVE
    )
    l1: float = setting(_L1, default=1.0, check=_WEIGHT)
    mse: float = setting(_MSE, default=1.0, check=_WEIGHT)
    edges: float = setting(_EDGES, default=0.0, check=_WEIGHT)
    noise: float = setting(_NOISE, default=0.0, check=_WEIGHT)
    channels: int | None = inferred("channels of the features")
    height: int | None = inferred("rows of the features' grid")
    width: int | None = inferred("columns of the features' grid")

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return `x16`: 4 x 4 features to 64 x 64 pixels, made for drawings and a CPU."""
        return {"x16": {"widths": (192, 128, 64, 48), "blocks": (2, 2, 2, 1), "pixel_patch": 2}}

    def __attrs_post_init__(self) -> None:
        """Refuse levels that do not pair up."""
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError(
                f"widths has {len(self.widths)} levels and blocks {len(self.blocks)}; give one "
                "number of each for every level, and at least one level"
            )
        if min(self.widths) < 1 or min(self.blocks) < 0:
            raise ValueError("widths must be at least 1 and blocks at least 0")

    @property
    def image_size(self) -> int | None:
        """Side of the picture."""
        if self.height is None:
            return None
        return self.height * 2 ** (len(self.widths) - 1) * self.pixel_patch

    def ports(self) -> Ports:
        """Take features, give pixels."""
        return _PORTS

    def build(self) -> nn.Module:
        """Make the decoder with fresh weights."""
        from diptych_heads.decoders.conv_pixels import ConvPixelsDecoder

        return ConvPixelsDecoder(
            channels=known(self, "channels"),
            height=_square(self),
            widths=self.widths,
            blocks=self.blocks,
            pixel_patch=self.pixel_patch,
            noise=self.noise,
            pixel_loss=_pixel_loss(self),
        )


@frozen
class PatchMlp(PartSpec):
    """An MLP that turns each token into its own patch of pixels."""

    kind: ClassVar[str] = "decoder"
    pixel_patch: int = setting("side of the square of pixels that a token becomes", check=_POSITIVE)
    hidden_width: int = setting("width of the MLP", default=512, check=_POSITIVE)
    layers: int = setting("hidden layers", default=2, check=_POSITIVE)
    l1: float = setting(_L1, default=1.0, check=_WEIGHT)
    mse: float = setting(_MSE, default=1.0, check=_WEIGHT)
    edges: float = setting(_EDGES, default=0.0, check=_WEIGHT)
    noise: float = setting(_NOISE, default=0.0, check=_WEIGHT)
    channels: int | None = inferred("channels of the features")
    height: int | None = inferred("rows of the features' grid")
    width: int | None = inferred("columns of the features' grid")

    @property
    def image_size(self) -> int | None:
        """Side of the picture."""
        return None if self.height is None else self.height * self.pixel_patch

    def ports(self) -> Ports:
        """Take features, give pixels."""
        return _PORTS

    def build(self) -> nn.Module:
        """Make the decoder with fresh weights."""
        from diptych_heads.decoders.patch_mlp import PatchMlpDecoder

        return PatchMlpDecoder(
            channels=known(self, "channels"),
            height=_square(self),
            pixel_patch=self.pixel_patch,
            hidden_width=self.hidden_width,
            layers=self.layers,
            noise=self.noise,
            pixel_loss=_pixel_loss(self),
        )


def _square(spec: ConvPixels | PatchMlp) -> int:
    height, width = known(spec, "height"), known(spec, "width")
    if height != width:
        message = (
            f"the features' grid is {height} x {width}, but this decoder draws square pictures"
        )
        raise SpecError([Problem("width", message, "mismatch")], type(spec).__name__)
    return height


def _pixel_loss(spec: ConvPixels | PatchMlp) -> PixelLoss:
    from diptych_heads.decoders.pixel_loss import PixelLoss

    return PixelLoss(l1=spec.l1, mse=spec.mse, edges=spec.edges)
