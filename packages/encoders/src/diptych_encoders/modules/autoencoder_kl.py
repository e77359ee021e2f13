"""The variational autoencoder of Stable Diffusion and its kin, from the diffusers library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from diffusers import AutoencoderKL
from einops import reduce
from torch import Generator, Tensor, nn

from diptych_encoders.modules.autoencoder import TokenAutoencoder, draw_like


if TYPE_CHECKING:
    from diptych_encoders.autoencoder_kl import AutoencoderKl


class KlTokenAutoencoder(TokenAutoencoder):
    """Diagonal Gaussian posterior; `encode` gives its mean, `loss` samples it."""

    words: ClassVar[Mapping[str, str]] = {
        "channels": "latent_channels",
        "widths": "block_out_channels",
        "layers": "layers_per_block",
        "norm_groups": "norm_num_groups",
        "attention": "mid_block_add_attention",
        "quant_conv": "use_quant_conv",
        "scaling_factor": "scaling_factor",
        "shift_factor": "shift_factor",
    }

    def __init__(self, model: nn.Module, *, kl_weight: float, **shared: Any) -> None:
        """Wrap the official model.

        Args:
            model: the autoencoder.
            kl_weight: weight of the KL term, both terms summed over the image, as in latent diffusion.
            **shared: arguments of the base class.
        """
        super().__init__(model, **shared)
        self.kl_weight = kl_weight

    def raw_latents(self, pixels: Tensor) -> Tensor:
        """Return the posterior's mean: `[b 3 h w]` -> `[b c h w]`, unscaled."""
        return self.posterior(pixels)[0]

    def raw_pixels(self, latents: Tensor) -> Tensor:
        """Decode unscaled latents `[b c h w]` to `[b 3 h w]`, not clamped."""
        model: Any = self.model
        return model.decode(latents, return_dict=False)[0]

    def posterior(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(latents | pixels): `[b 3 h w]` -> twice `[b c h w]`, unscaled."""
        model: Any = self.model
        gaussian = model.encode(pixels, return_dict=False)[0]
        return gaussian.mean, gaussian.logvar

    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute reconstruction from a sampled posterior, and its KL divergence from a standard normal.

        The loss of latent diffusion without its perceptual and adversarial terms (Rombach et al. 2022): there both
        terms are sums over the image; here both are divided by the number of pixel values.

        Args:
            pixels: `[b 3 h w]` in [-1, 1].
            generator: draws the posterior sample.

        Returns:
            `reconstruction` `[b]`, and `kl` `[b]` with its weight; train on the sum.
        """
        mean, logvar = self.posterior(pixels)
        latents = mean + (0.5 * logvar).exp() * draw_like(mean, generator)
        nats = 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
        kl = reduce(nats, "b c h w -> b", "sum") / pixels[0].numel()
        painted = self.raw_pixels(latents)
        return {"reconstruction": self.distance(pixels, painted), "kl": self.kl_weight * kl}


def build_autoencoder_kl(spec: AutoencoderKl) -> KlTokenAutoencoder:
    """Make the autoencoder with fresh weights."""
    levels = len(spec.widths)
    model: Any = AutoencoderKL(
        latent_channels=spec.channels,
        block_out_channels=spec.widths,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=spec.layers,
        norm_num_groups=spec.norm_groups,
        sample_size=spec.image_size,
        scaling_factor=spec.scaling_factor,
        shift_factor=spec.shift_factor,
        mid_block_add_attention=spec.attention,
        use_quant_conv=spec.quant_conv,
        use_post_quant_conv=spec.quant_conv,
    )
    return KlTokenAutoencoder(
        model,
        kl_weight=spec.kl_weight,
        grid=spec.grid,
        scaling_factor=spec.scaling_factor,
        shift_factor=spec.shift_factor,
        reconstruction=spec.reconstruction,
    )
