"""From a vision transformer of the transformers library to a grid of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


if TYPE_CHECKING:
    from diptych_encoders.vision_transformer import VisionTransformer


class VisionFeatures(nn.Module):
    """A vision transformer whose states are pooled and projected: pixels -> features.

    The transformer's own parts are called one by one, so that only what the features need is computed; the whole
    traces without a break under `torch.compile`.
    """

    def __init__(
        self,
        transformer: nn.Module,
        *,
        width: int,
        grid: int,
        extra_tokens: int = 0,
        keep_extra: bool = False,
        pool: int = 1,
        pool_to: int | None = None,
        project: int | None = None,
        unit_features: bool = False,
        attention_pool: bool = False,
    ) -> None:
        """Put the steps together.

        Args:
            transformer: a model with `embeddings`, `encoder`, `post_layernorm` (or an identity in its place) and,
                as CLIP has, `pre_layrnorm`.
            width: width of its states.
            grid: patches along a side.
            extra_tokens: tokens before the grid.
            keep_extra: whether these stay, before the grid.
            pool: the grid is averaged over pool x pool squares.
            pool_to: the grid is averaged to pool_to x pool_to instead; windows as in adaptive pooling.
            project: width of a linear map without bias, or None for no such map.
            unit_features: give each feature mean 0 and variance 1 over its channels (layer norm without weights).
            attention_pool: the transformer's `head` makes one token of all, instead of averages.
        """
        super().__init__()
        self.transformer = transformer
        self.projection = nn.Linear(width, project, bias=False) if project else None
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, std=width**-0.5)
        self.unit_norm = nn.LayerNorm(project or width, elementwise_affine=False) if unit_features else None
        self.grid, self.pool, self.pool_to = grid, pool, pool_to
        self.extra_tokens, self.keep_extra = extra_tokens, keep_extra
        self.attention_pool = attention_pool

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode images.

        Args:
            pixels: `[b 3 h w]`, float, normalised as the spec's `preprocess` says; h = w = image_size.

        Returns:
            Features `[b (h w) d]`, row-major, with the extra tokens before them if they are kept.

        Raises:
            ValueError: if the images are not of the spec's size.
        """
        return self.features(self.states(pixels), self.grid_of(pixels))

    def features(self, states: Tensor, grid: tuple[int, int]) -> Tensor:
        """Pool and project states `[b n d]` whose last tokens are a grid of this height and width.

        Raises:
            ValueError: if `pool` does not divide the grid.
        """
        extra, patches = states[:, : self.extra_tokens], states[:, self.extra_tokens :]
        if self.attention_pool:
            head: Any = self.transformer.head
            patches = head(patches)[:, None]
        elif self.pool > 1 or self.pool_to:
            height, width = grid
            if height % self.pool or width % self.pool:
                raise ValueError(f"a grid of {height} x {width} cannot be averaged over squares of {self.pool}")
            side = (self.pool_to, self.pool_to) if self.pool_to else (height // self.pool, width // self.pool)
            squares = rearrange(patches, "b (h w) d -> b d h w", h=height)
            patches = rearrange(F.adaptive_avg_pool2d(squares, side), "b d h w -> b (h w) d")
        features = torch.cat([extra, patches], dim=1) if self.keep_extra else patches
        if self.projection is not None:
            features = self.projection(features)
        return features if self.unit_norm is None else self.unit_norm(features)

    def grid_of(self, pixels: Tensor) -> tuple[int, int]:
        """Return the height and width of the grid of patches that pixels `[b 3 h w]` give."""
        return self.grid, self.grid

    def states(self, pixels: Tensor) -> Tensor:
        """Return the states of the chosen layer `[b n d]`, extra tokens first, not pooled or projected."""
        model: Any = self.transformer
        check_size(pixels, model.config.image_size)
        states = model.embeddings(pixels)
        if hasattr(model, "pre_layrnorm"):  # the name is misspelt in CLIP's published checkpoints
            states = model.pre_layrnorm(states)
        states = model.encoder(inputs_embeds=states).last_hidden_state
        return model.post_layernorm(states)


def options_of(spec: VisionTransformer) -> dict[str, Any]:
    """Return what a spec says of its features, as arguments of `VisionFeatures`."""
    return {
        "width": spec.hidden_width,
        "grid": spec.patch_grid,
        "extra_tokens": spec.extra_tokens,
        "keep_extra": getattr(spec, "cls", "drop") == "keep",
        "pool": spec.pool,
        "pool_to": spec.pool_to,
        "project": spec.project,
        "unit_features": spec.unit_features,
        "attention_pool": getattr(spec, "pooled", False),
    }


def check_size(pixels: Tensor, side: int) -> None:
    """Make sure that pixels are `[b 3 side side]`.

    Raises:
        ValueError: if they are not.
    """
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, side, side):
        raise ValueError(
            f"this encoder takes images [b 3 {side} {side}], not {list(pixels.shape)}; "
            "put them through its spec's `preprocess`"
        )
