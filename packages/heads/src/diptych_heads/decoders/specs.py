"""The specs of the small decoders: `conv-pixels` and `patch-mlp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen, validators

from diptych.spec.part import setting
from diptych_heads.decoders.small_spec import SmallDecoderSpec


if TYPE_CHECKING:
    from torch import nn

_POSITIVE = validators.ge(1)


@frozen(kw_only=True)
class ConvPixels(SmallDecoderSpec):
    """Residual convolutions, twice the size from level to level, pixel shuffle at the end."""

    widths: tuple[int, ...] = setting("channels of each level; the grid doubles between levels")
    blocks: tuple[int, ...] = setting("residual blocks of each level")
    pixel_patch: int = setting(
        "side of the square that the last level's cells become", check=_POSITIVE
    )

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

    def build(self) -> nn.Module:
        """Make the decoder with fresh weights."""
        from diptych_heads.decoders.conv_pixels import ConvPixelsDecoder

        return ConvPixelsDecoder(
            **self.frame(),
            widths=self.widths,
            blocks=self.blocks,
            pixel_patch=self.pixel_patch,
        )


@frozen(kw_only=True)
class PatchMlp(SmallDecoderSpec):
    """An MLP that turns each token into its own patch of pixels."""

    pixel_patch: int = setting("side of the square of pixels that a token becomes", check=_POSITIVE)
    hidden_width: int = setting("width of the MLP", default=512, check=_POSITIVE)
    layers: int = setting("hidden layers", default=2, check=_POSITIVE)

    @property
    def image_size(self) -> int | None:
        """Side of the picture."""
        return None if self.height is None else self.height * self.pixel_patch

    def build(self) -> nn.Module:
        """Make the decoder with fresh weights."""
        from diptych_heads.decoders.patch_mlp import PatchMlpDecoder

        return PatchMlpDecoder(
            **self.frame(),
            pixel_patch=self.pixel_patch,
            hidden_width=self.hidden_width,
            layers=self.layers,
        )
