"""The spec of the vector-quantised image tokenizer of LlamaGen and Janus. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen, validators

from diptych.ports import Port
from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain, each, whole
from diptych_encoders.image_tokenizer import ImageTokenizer
from diptych_encoders.preset_files import read_presets


if TYPE_CHECKING:
    from diptych_encoders.modules.vq import VqTokenizer


@frozen
class Vq(ImageTokenizer):
    """Vector-quantised autoencoder (transformers JanusVQVAE, LlamaGen arXiv 2406.06525): pixels <-> ids.

    Trains from scratch here too. Codes are found as LlamaGen and Janus themselves find them; see `nearest`.
    """

    widths: tuple[int, ...] = setting(
        "channels at each resolution, finest first, multiples of 32; every further one halves the side",
        default=(128, 128, 256, 256, 512),
        check=each(whole()),
    )
    blocks: int = setting("residual blocks at each resolution", default=2, check=whole())
    latent_width: int = setting("channels between the convolutions and the codes", default=256, check=whole())
    nearest: Literal["cosine", "euclidean"] = setting(
        "which code is taken: the one of the same direction (codes then have length 1), or the one least far away",
        default="cosine",
        check=validators.in_(("cosine", "euclidean")),
    )
    commitment: float = setting(
        "weight, in the loss, of what keeps latents near their codes", default=0.25, check=validators.ge(0)
    )
    weights: str | None = setting("file, folder, hub id or file of the hub with initial weights", default=None)

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of public models."""
        return read_presets("vq")

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: naming everything that does not fit, and the nearest value that would.
        """
        problems = []
        uneven = [width for width in self.widths if width % 32 or width % self.widths[0]]
        if uneven:
            problems.append(
                f"widths {', '.join(map(str, uneven))} must be multiples of 32 (the groups of the norms) and of the "
                f"first of them, {self.widths[0]}"
            )
        reduction = 2 ** (len(self.widths) - 1)
        if self.image_size % reduction:
            near = max(round(self.image_size / reduction), 1) * reduction
            problems.append(f"image_size {self.image_size} is not a multiple of {reduction}, the reduction; {near} is")
        complain(problems)

    @property
    def grid(self) -> int:
        """Codes along a side."""
        return self.image_size // 2 ** (len(self.widths) - 1)

    def decoded(self) -> Port:
        """Say what `decode` gives."""
        return Port("b 3 image_size image_size", "pixels in [-1, 1]")

    def preprocess(self) -> Preprocess:
        """Shorter side to size, centre crop, pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size, "shorter-side", "bicubic")

    def build(self) -> VqTokenizer:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.vq import build_vq

        return build_vq(self)

    def load_weights(self, module: Any) -> None:
        """Load a VQ tokenizer in transformers' or LlamaGen's layout, alone or inside a Janus; see the base class."""
        from diptych_encoders.modules.vq import load_vq

        load_vq(self, module)
