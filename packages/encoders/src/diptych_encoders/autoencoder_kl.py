"""The spec of the variational autoencoder of Stable Diffusion and its kin. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen, validators

from diptych.spec.part import setting
from diptych_encoders.autoencoder import Autoencoder
from diptych_encoders.checks import complain, each, whole
from diptych_encoders.preset_files import read_presets


if TYPE_CHECKING:
    from diptych_encoders.modules.autoencoder_kl import KlTokenAutoencoder


@frozen
class AutoencoderKl(Autoencoder):
    """Variational autoencoder (diffusers AutoencoderKL): pixels <-> latents; trains here from scratch."""

    widths: tuple[int, ...] = setting(
        "channels at each resolution, finest first; every further one halves the side",
        default=(128, 256, 512, 512),
        check=each(whole()),
    )
    layers: int = setting("residual blocks at each resolution", default=2, check=whole())
    norm_groups: int = setting("groups of the group norms", default=32, check=whole())
    attention: bool = setting("self-attention at the coarsest resolution", default=True)
    quant_conv: bool = setting("1x1 convolutions next to the latents (older models have them)", default=True)
    kl_weight: float = setting(
        "weight of the KL term, both terms summed over the image",
        default=1e-6,
        check=validators.ge(0),
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of public models."""
        return read_presets("autoencoder_kl")

    @property
    def reduction(self) -> int:
        """Pixels along the side of one latent."""
        return 2 ** (len(self.widths) - 1)

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other; see the base class."""
        uneven = [width for width in self.widths if width % self.norm_groups]
        problems = []
        if uneven:
            fits = [n for n in range(1, self.norm_groups) if not any(width % n for width in self.widths)]
            problems.append(
                f"widths {', '.join(map(str, uneven))} are not multiples of norm_groups "
                f"{self.norm_groups}; {fits[-1]} groups would do"
            )
        complain([*self.size_problems(), *problems])

    def build(self) -> KlTokenAutoencoder:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.autoencoder_kl import build_autoencoder_kl

        return build_autoencoder_kl(self)
