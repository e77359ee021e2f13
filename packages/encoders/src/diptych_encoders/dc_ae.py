"""The spec of the deep compression autoencoder. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen, validators

from diptych.spec.part import setting
from diptych_encoders.autoencoder import Autoencoder
from diptych_encoders.checks import complain, each, whole
from diptych_encoders.preset_files import read_presets


if TYPE_CHECKING:
    from diptych_encoders.modules.dc_ae import DcTokenAutoencoder


@frozen
class DcAe(Autoencoder):
    """Deep compression autoencoder (diffusers AutoencoderDC, arXiv 2410.10733): 32 pixels a side to one latent.

    Without a posterior; the one of SANA and BLIP3-o-NEXT is `sana-f32c32`.
    """

    widths: tuple[int, ...] = setting(
        "channels at each resolution, finest first; every further one halves the side",
        default=(128, 256, 512, 512, 1024, 1024),
        check=each(whole()),
    )
    encoder_layers: tuple[int, ...] = setting(
        "blocks at each resolution of the encoder", default=(2, 2, 2, 3, 3, 3), check=each(whole(0))
    )
    decoder_layers: tuple[int, ...] = setting(
        "blocks at each resolution of the decoder, finest first", default=(3, 3, 3, 3, 3, 3), check=each(whole(0))
    )
    attention_from: int = setting(
        "resolutions before this one (counted from 0) have residual blocks, the others linear attention",
        default=3,
        check=whole(0),
    )
    head_width: int = setting("width of a head of linear attention", default=32, check=whole())
    scales: tuple[int, ...] = setting("kernels of attention's further scales; may be empty", default=(5,))
    resample: Literal["conv", "shuffle"] = setting(
        "how sides are halved and doubled: strided convolution and interpolation, or by moving pixels into channels",
        default="conv",
        check=validators.in_(("conv", "shuffle")),
    )
    batch_norm: bool = setting(
        "batch norm and ReLU in the decoder's residual blocks, as the models of ImageNet have", default=False
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of public models."""
        return read_presets("dc_ae")

    @property
    def reduction(self) -> int:
        """Pixels along the side of one latent."""
        return 2 ** (len(self.widths) - 1)

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other; see the base class."""
        problems = self.size_problems()
        for name in ("encoder_layers", "decoder_layers"):
            count = len(getattr(self, name))
            if count != len(self.widths):
                problems.append(f"{name} has {count} numbers for the {len(self.widths)} resolutions of widths")
        if self.widths[-1] % self.channels:
            near = max(n for n in range(1, self.channels + 1) if self.widths[-1] % n == 0)
            problems.append(f"channels {self.channels} do not divide the last of widths, {self.widths[-1]}; {near} do")
        for fine, coarse in zip(self.widths, self.widths[1:], strict=False):
            if 4 * fine % coarse:
                problems.append(f"widths {fine} and {coarse} follow each other: 4 x {fine} is no multiple of {coarse}")
        if self.resample == "shuffle" and any(width % 4 for width in self.widths):
            problems.append("resample 'shuffle' needs widths that are multiples of 4; 'conv' takes any")
        uneven = [width for width in self.widths[self.attention_from :] if width % self.head_width]
        if uneven:
            problems.append(f"widths {', '.join(map(str, uneven))} are not multiples of head_width {self.head_width}")
        complain(problems)

    def build(self) -> DcTokenAutoencoder:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.dc_ae import build_dc_ae

        return build_dc_ae(self)
