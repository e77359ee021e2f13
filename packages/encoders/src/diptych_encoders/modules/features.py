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
        out_grid: int | None = None,
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
            out_grid: the grid is averaged to this side, where it divides the grid over squares of patches; none
                leaves it as it is.
            project: width of a linear map without bias, or None for no such map.
            unit_features: give each feature mean 0 and variance 1 over its channels (layer norm without weights).
        """
        super().__init__()
        self.transformer = transformer
        self.projection = nn.Linear(width, project, bias=False) if project else None
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, std=width**-0.5)
        self.unit_norm = nn.LayerNorm(project or width, elementwise_affine=False) if unit_features else None
        self.grid, self.out_grid = grid, out_grid or grid
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
        if self.out_grid != self.grid:
            squares = rearrange(patches, "b (h w) d -> b d h w", h=self.grid)
            patches = rearrange(F.adaptive_avg_pool2d(squares, self.out_grid), "b d h w -> b (h w) d")
        features = torch.cat([extra, patches], dim=1) if self.keep_extra else patches
        if self.projection is not None:
            features = self.projection(features)
        return features if self.unit_norm is None else self.unit_norm(features)

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
        "out_grid": spec.grid,
        "project": spec.project,
        "unit_features": spec.unit_features,
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
