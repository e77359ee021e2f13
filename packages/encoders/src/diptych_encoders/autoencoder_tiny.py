"""The spec of a small autoencoder without a posterior. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen, validators

from diptych.spec.part import setting
from diptych_encoders.autoencoder import Autoencoder
from diptych_encoders.checks import each, whole
from diptych_encoders.preset_files import read_presets


if TYPE_CHECKING:
    from diptych_encoders.modules.autoencoder_tiny import TinyTokenAutoencoder


@frozen
class AutoencoderTiny(Autoencoder):
    """Small convolutional autoencoder (diffusers AutoencoderTiny, TAESD): pixels <-> latents within about 3."""

    hidden_width: int = setting("channels of every convolution", default=64, check=whole())
    blocks: tuple[int, ...] = setting(
        "residual blocks at each resolution, finest first; the decoder mirrors them",
        default=(1, 3, 3, 3),
        check=each(whole(0)),
    )
    latent_noise: float = setting(
        "std of noise added to the latents in training, so that near latents give near pictures",
        default=0.0,
        check=validators.ge(0),
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of public models."""
        return read_presets("autoencoder_tiny")

    @property
    def reduction(self) -> int:
        """Pixels along the side of one latent."""
        return 2 ** (len(self.blocks) - 1)

    def build(self) -> TinyTokenAutoencoder:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.autoencoder_tiny import build_autoencoder_tiny

        return build_autoencoder_tiny(self)
