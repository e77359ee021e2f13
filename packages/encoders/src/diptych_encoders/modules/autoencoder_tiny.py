"""A small convolutional autoencoder without a posterior, from the diffusers library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from diffusers import AutoencoderTiny as OfficialAutoencoderTiny
from torch import Generator, Tensor, nn

from diptych_encoders.modules.autoencoder import TokenAutoencoder, draw_like


if TYPE_CHECKING:
    from diptych_encoders.autoencoder_tiny import AutoencoderTiny


class TinyTokenAutoencoder(TokenAutoencoder):
    """Latents are what the encoder says; the decoder bends them smoothly into (-3, 3)."""

    words: ClassVar[Mapping[str, str]] = {
        "channels": "latent_channels",
        "hidden_width": "encoder_block_out_channels",
        "blocks": "num_encoder_blocks",
        "scaling_factor": "scaling_factor",
        "shift_factor": "shift_factor",
    }

    def __init__(self, model: nn.Module, *, latent_noise: float, **shared: Any) -> None:
        """Wrap the official model.

        Args:
            model: the autoencoder.
            latent_noise: std of the noise that `loss` adds to unscaled latents.
            **shared: arguments of the base class.
        """
        super().__init__(model, **shared)
        self.latent_noise = latent_noise

    def raw_latents(self, pixels: Tensor) -> Tensor:
        """Encode `[b 3 h w]` to `[b c h w]`, unscaled."""
        model: Any = self.model
        return model.encode(pixels, return_dict=False)[0]

    def raw_pixels(self, latents: Tensor) -> Tensor:
        """Decode unscaled latents `[b c h w]` to `[b 3 h w]`, not clamped."""
        model: Any = self.model
        return model.decode(latents, return_dict=False)[0]

    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute the reconstruction, from noisy latents if the spec says so.

        Args:
            pixels: `[b 3 h w]` in [-1, 1].
            generator: draws the noise on the latents; left alone if there is none.

        Returns:
            `reconstruction` `[b]`.
        """
        latents = self.raw_latents(pixels)
        if self.latent_noise:
            latents = latents + self.latent_noise * draw_like(latents, generator)
        return {"reconstruction": self.distance(pixels, self.raw_pixels(latents))}


def build_autoencoder_tiny(spec: AutoencoderTiny) -> TinyTokenAutoencoder:
    """Make the autoencoder with fresh weights."""
    widths = (spec.hidden_width,) * len(spec.blocks)
    model: Any = OfficialAutoencoderTiny(
        latent_channels=spec.channels,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=spec.blocks,
        num_decoder_blocks=spec.blocks[::-1],
        scaling_factor=spec.scaling_factor,
        shift_factor=spec.shift_factor,
    )
    return TinyTokenAutoencoder(
        model,
        latent_noise=spec.latent_noise,
        grid=spec.grid,
        scaling_factor=spec.scaling_factor,
        shift_factor=spec.shift_factor,
        reconstruction=spec.reconstruction,
    )
