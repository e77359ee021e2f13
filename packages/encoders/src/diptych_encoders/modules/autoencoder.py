"""What autoencoders share: latents as tokens, the reconstruction loss, and loading public weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from einops import rearrange, reduce
from torch import Generator, Tensor, nn

from diptych.errors import CheckpointError
from diptych_encoders.modules.pretrained import compare_sizes, copy_weights, load_official


class TokenAutoencoder(nn.Module):
    """Pixels <-> latents as tokens `[b n c]`; subclasses give and take the grid `[b c h w]` in the model's units."""

    words: ClassVar[Mapping[str, str]] = {}
    """Fields of the spec that a checkpoint must agree with, and what its configuration calls them."""

    def __init__(
        self,
        model: nn.Module,
        *,
        grid: int,
        scaling_factor: float,
        shift_factor: float,
        reconstruction: Literal["l1", "mse"],
    ) -> None:
        """Wrap a model of the diffusers library.

        Args:
            model: the autoencoder.
            grid: latents along a side.
            scaling_factor: latents are (raw - shift_factor) * scaling_factor.
            shift_factor: see above.
            reconstruction: the distance that `loss` uses.
        """
        super().__init__()
        self.model = model
        self.grid, self.reconstruction = grid, reconstruction
        self.scaling_factor, self.shift_factor = scaling_factor, shift_factor

    @abstractmethod
    def raw_latents(self, pixels: Tensor) -> Tensor:
        """Encode `[b 3 h w]` in [-1, 1] to `[b c h w]` in the model's own units, without randomness."""

    @abstractmethod
    def raw_pixels(self, latents: Tensor) -> Tensor:
        """Decode `[b c h w]` in the model's own units to `[b 3 h w]`, near [-1, 1] but not held to it."""

    def encode(self, pixels: Tensor) -> Tensor:
        """Encode images, the same way every time (a posterior gives its mean).

        Args:
            pixels: `[b 3 h w]` in [-1, 1], h = w = image_size.

        Returns:
            Scaled latents `[b (h w) c]`, row-major.

        Raises:
            ValueError: if the images do not give the spec's grid.
        """
        latents = self.raw_latents(pixels)
        if latents.shape[2:] != (self.grid, self.grid):
            raise ValueError(
                f"images {list(pixels.shape)} give a grid of {latents.shape[2]} x {latents.shape[3]} latents, but the "
                f"spec says {self.grid} x {self.grid}; put them through its `preprocess`"
            )
        return (rearrange(latents, "b c h w -> b (h w) c") - self.shift_factor) * self.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """Decode scaled latents `[b (h w) c]`, row-major, to pixels `[b 3 h w]` in [-1, 1].

        Raises:
            ValueError: if there are not grid * grid tokens.
        """
        if latents.shape[1] != self.grid**2:
            raise ValueError(
                f"{latents.shape[1]} tokens are not the {self.grid} x {self.grid} = {self.grid**2} of this autoencoder"
            )
        tokens = latents / self.scaling_factor + self.shift_factor
        return self.raw_pixels(rearrange(tokens, "b (h w) c -> b c h w", h=self.grid)).clamp(-1, 1)

    @abstractmethod
    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute what training minimises: the sum of the terms, each `[b]` and already weighted.

        Args:
            pixels: `[b 3 h w]` in [-1, 1].
            generator: all randomness.
        """

    def distance(self, pixels: Tensor, painted: Tensor) -> Tensor:
        """Return the mean absolute or squared difference of each image: `[b 3 h w]` twice -> `[b]`."""
        gap = painted - pixels
        return reduce(gap.abs() if self.reconstruction == "l1" else gap.square(), "b c h w -> b", "mean")


def draw_like(tensor: Tensor, generator: Generator) -> Tensor:
    """Draw standard normal noise for a tensor, in float32 where the generator is, so that float64 runs see the same."""
    noise = torch.randn(tensor.shape, generator=generator, device=generator.device)
    return noise.to(tensor)


def load_autoencoder(source: str, module: TokenAutoencoder) -> None:
    """Fill an autoencoder with an official checkpoint.

    Args:
        source: a local folder, a hub id, or a hub id and a subfolder (`owner/name/vae`).
        module: what to fill; its own configuration says which sizes are expected.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    kind: Any = type(module.model)
    place, subfolder = _place(source)
    stored = _stored_config(kind, source, place, subfolder)
    expected: Any = module.model.config
    words = module.words
    compare_sizes(
        source,
        {ours: _plain(stored[theirs]) for ours, theirs in words.items()},
        {ours: _plain(expected[theirs]) for ours, theirs in words.items()},
    )
    tensors = load_official(kind, place, subfolder=subfolder)
    copy_weights(module.model, tensors, source)


def _place(source: str) -> tuple[str, str | None]:
    """Split `owner/name/subfolder` of the hub; a local folder stays whole."""
    pieces = source.split("/")
    if Path(source).exists() or len(pieces) < 3 or not all(pieces):
        return source, None
    return "/".join(pieces[:2]), "/".join(pieces[2:])


def _stored_config(kind: Any, source: str, place: str, subfolder: str | None) -> dict[str, Any]:
    """Read the configuration of a checkpoint, with the official class's defaults where it is silent."""
    try:
        stored = kind.load_config(place, subfolder=subfolder)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"weights '{source}': no local folder or reachable hub id with the config.json of a "
            f"{kind.__name__}: {error}"
        ) from error
    parameters = signature(kind.__init__).parameters.values()
    return {each.name: each.default for each in parameters} | stored


def _plain(value: Any) -> Any:
    """Make configuration values comparable: lists and tuples alike, no shift is a shift of 0, one word many times."""
    if value is None:
        return 0.0
    if not isinstance(value, list | tuple):
        return value
    items = tuple(map(_plain, value))
    return items[0] if items and isinstance(items[0], str) and len(set(items)) == 1 else items
