"""From a vision transformer of the transformers library to a grid of features."""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn


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
        project: int | None = None,
        unit_features: bool = False,
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
            project: width of a linear map without bias, or None for no such map.
            unit_features: give each feature mean 0 and variance 1 over its channels (layer norm without weights).
        """
        super().__init__()
        self.transformer = transformer
        self.projection = nn.Linear(width, project, bias=False) if project else None
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, std=width**-0.5)
        self.unit_norm = nn.LayerNorm(project or width, elementwise_affine=False) if unit_features else None
        self.grid, self.pool = grid, pool
        self.extra_tokens, self.keep_extra = extra_tokens, keep_extra

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode images.

        Args:
            pixels: `[b 3 h w]`, float, normalised as the spec's `preprocess` says; h = w = image_size.

        Returns:
            Features `[b (h w) d]`, row-major, with the extra tokens before them if they are kept.

        Raises:
            ValueError: if the images are not of the spec's size.
        """
        states = self.states(pixels)
        extra, patches = states[:, : self.extra_tokens], states[:, self.extra_tokens :]
        if self.pool > 1:
            squares = rearrange(patches, "b (h w) d -> b h w d", h=self.grid)
            patches = reduce(squares, "b (h i) (w j) d -> b (h w) d", "mean", i=self.pool, j=self.pool)
        features = torch.cat([extra, patches], dim=1) if self.keep_extra else patches
        if self.projection is not None:
            features = self.projection(features)
        return features if self.unit_norm is None else self.unit_norm(features)

    def states(self, pixels: Tensor) -> Tensor:
        """Return the states of the chosen layer `[b n d]`, extra tokens first, not pooled or projected."""
        model: Any = self.transformer
        _check_size(pixels, model.config.image_size)
        states = model.embeddings(pixels)
        if hasattr(model, "pre_layrnorm"):  # the name is misspelt in CLIP's published checkpoints
            states = model.pre_layrnorm(states)
        states = model.encoder(inputs_embeds=states).last_hidden_state
        return model.post_layernorm(states)


def _check_size(pixels: Tensor, side: int) -> None:
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, side, side):
        raise ValueError(
            f"this encoder takes images [b 3 {side} {side}], not {list(pixels.shape)}; "
            "put them through its spec's `preprocess`"
        )
