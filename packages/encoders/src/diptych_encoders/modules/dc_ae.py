"""The deep compression autoencoder, from the diffusers library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from diffusers import AutoencoderDC
from torch import Generator, Tensor

from diptych_encoders.modules.autoencoder import TokenAutoencoder


if TYPE_CHECKING:
    from diptych_encoders.dc_ae import DcAe


class DcTokenAutoencoder(TokenAutoencoder):
    """Latents are what the encoder says."""

    words: ClassVar[Mapping[str, str]] = {
        "channels": "latent_channels",
        "widths": "encoder_block_out_channels",
        "encoder_layers": "encoder_layers_per_block",
        "decoder_layers": "decoder_layers_per_block",
        "head_width": "attention_head_dim",
        "scales": "encoder_qkv_multiscales",
        "attention_from": "encoder_block_types",
        "resample": "downsample_block_type",
        "batch_norm": "decoder_norm_types",
        "scaling_factor": "scaling_factor",
    }

    def raw_latents(self, pixels: Tensor) -> Tensor:
        """Encode `[b 3 h w]` to `[b c h w]`, unscaled."""
        model: Any = self.model
        return model.encode(pixels, return_dict=False)[0]

    def raw_pixels(self, latents: Tensor) -> Tensor:
        """Decode unscaled latents `[b c h w]` to `[b 3 h w]`, not clamped."""
        model: Any = self.model
        return model.decode(latents, return_dict=False)[0]

    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute the reconstruction `[b]`; nothing is drawn from the generator."""
        return {"reconstruction": self.distance(pixels, self.raw_pixels(self.raw_latents(pixels)))}


def build_dc_ae(spec: DcAe) -> DcTokenAutoencoder:
    """Make the autoencoder with fresh weights."""
    levels = len(spec.widths)
    plain = min(spec.attention_from, levels)
    blocks = ("ResBlock",) * plain + ("EfficientViTBlock",) * (levels - plain)
    scales = ((),) * plain + (spec.scales,) * (levels - plain)
    norms = ("batch_norm",) * plain + ("rms_norm",) * (levels - plain)
    activations = ("relu",) * plain + ("silu",) * (levels - plain)
    model: Any = AutoencoderDC(
        latent_channels=spec.channels,
        attention_head_dim=spec.head_width,
        encoder_block_types=blocks,  # type: ignore[arg-type]
        decoder_block_types=blocks,  # type: ignore[arg-type]
        encoder_block_out_channels=spec.widths,
        decoder_block_out_channels=spec.widths,
        encoder_layers_per_block=spec.encoder_layers,
        decoder_layers_per_block=spec.decoder_layers,
        encoder_qkv_multiscales=scales,
        decoder_qkv_multiscales=scales,
        downsample_block_type="conv" if spec.resample == "conv" else "pixel_unshuffle",
        upsample_block_type="interpolate" if spec.resample == "conv" else "pixel_shuffle",
        decoder_norm_types=norms if spec.batch_norm else "rms_norm",  # type: ignore[arg-type]
        decoder_act_fns=activations if spec.batch_norm else "silu",  # type: ignore[arg-type]
        scaling_factor=spec.scaling_factor,
    )
    return DcTokenAutoencoder(
        model,
        grid=spec.grid,
        scaling_factor=spec.scaling_factor,
        shift_factor=spec.shift_factor,
        reconstruction=spec.reconstruction,
    )
