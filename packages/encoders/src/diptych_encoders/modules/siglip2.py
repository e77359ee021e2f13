"""Builds SigLIP 2's NaFlex vision transformer from the transformers library, and loads its public weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Siglip2VisionConfig, Siglip2VisionModel

from diptych_encoders.modules.features import VisionFeatures, options_of
from diptych_encoders.modules.many_features import ManyFeatures, pack
from diptych_encoders.modules.positions import init_positions
from diptych_encoders.modules.pretrained import compare_sizes, copy_weights, load_official, read_config
from diptych_encoders.modules.siglip import unused_of
from diptych_encoders.modules.vision_config import WORDS, config_values, sizes_of


if TYPE_CHECKING:
    from diptych_encoders.siglip2 import Siglip2

_OWN = {ours: theirs for ours, theirs in WORDS.items() if ours != "image_size"}


class FlexibleFeatures(VisionFeatures):
    """NaFlex: the position table is stretched to each picture's grid, so that any size and aspect can be encoded."""

    table: int
    patch_size: int

    def grid_of(self, pixels: Tensor) -> tuple[int, int]:
        """Return the height and width of the grid of pixels `[... h w]`.

        Raises:
            ValueError: if a side is no multiple of the patch.
        """
        height, width = pixels.shape[-2:]
        if pixels.shape[-3] != 3 or not height or not width or height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"this encoder takes images of 3 channels whose sides are multiples of {self.patch_size}, not "
                f"{list(pixels.shape)}; put them through its spec's `preprocess` or `flexible_preprocess`"
            )
        return height // self.patch_size, width // self.patch_size

    def states(self, pixels: Tensor) -> Tensor:
        """Return the states `[b (h w) d]` of images of one size `[b 3 h p w p]`."""
        model: Any = self.transformer
        positions = self._positions(self.grid_of(pixels))
        patches = self._patches(pixels) + positions
        return model.post_layernorm(model.encoder(inputs_embeds=patches).last_hidden_state)

    def encode_many(self, pictures: Sequence[Tensor]) -> ManyFeatures:
        """Encode pictures `[3 h w]` of different sizes together; each gives what it gives alone.

        Raises:
            ValueError: if a side is no multiple of the patch, or there are no pictures.
        """
        if not pictures:
            raise ValueError("there are no pictures to encode")
        model: Any = self.transformer
        grids = tuple(self.grid_of(each) for each in pictures)
        rows = [
            self._patches(each[None])[0] + self._positions(grid) for each, grid in zip(pictures, grids, strict=True)
        ]
        lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
        embeds = pad_sequence(rows, batch_first=True)
        real = torch.arange(embeds.shape[1], device=embeds.device) < lengths[:, None]
        hidden = torch.zeros_like(real, dtype=embeds.dtype).masked_fill(~real, torch.finfo(embeds.dtype).min)
        bias = hidden[:, None, None].expand(-1, 1, embeds.shape[1], -1)
        states = model.encoder(inputs_embeds=embeds, attention_mask=bias).last_hidden_state
        states = model.post_layernorm(states)
        made = [
            self.features(states[index : index + 1, : len(row)], grid)[0]
            for index, (row, grid) in enumerate(zip(rows, grids, strict=True))
        ]
        return pack(made, [self._pooled(grid) for grid in grids])

    def _pooled(self, grid: tuple[int, int]) -> tuple[int, int]:
        if self.attention_pool:
            return 1, 1
        return (self.pool_to, self.pool_to) if self.pool_to else (grid[0] // self.pool, grid[1] // self.pool)

    def _patches(self, pixels: Tensor) -> Tensor:
        model: Any = self.transformer
        side = self.patch_size
        return model.embeddings.patch_embedding(rearrange(pixels, "b c (h i) (w j) -> b (h w) (i j c)", i=side, j=side))

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        """Stretch the table to a grid, as the official model does: `[(h w) d]`."""
        model: Any = self.transformer
        table = rearrange(model.embeddings.position_embedding.weight, "(h w) d -> 1 d h w", h=self.table)
        exact = torch.promote_types(table.dtype, torch.float32)  # not defined for bfloat16 on a CPU
        stretched = F.interpolate(table.to(exact), grid, mode="bilinear", align_corners=False, antialias=True)
        return rearrange(stretched, "1 d h w -> (h w) d").to(table.dtype)


def build_flexible(spec: Siglip2) -> FlexibleFeatures:
    """Make the encoder with fresh weights: only the layers and the pooling head that its features need."""
    model = Siglip2VisionModel(_config(spec, layers=spec.layers_used))
    table = int(spec.flexible or 0)
    init_positions(model.embeddings.position_embedding.weight, spec.position_init, grid=table)
    if not spec.uses_final_norm:
        model.post_layernorm = nn.Identity()  # type: ignore[assignment]
    encoder = FlexibleFeatures(model, **options_of(spec))
    encoder.table, encoder.patch_size = table, spec.patch_size
    return encoder


def load_flexible(spec: Siglip2, module: VisionFeatures) -> None:
    """Fill the encoder with an official checkpoint. A projection is never in one: it stays as initialised.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    stored = read_config(Siglip2VisionConfig, source)
    compare_sizes(source, _sizes(stored), _sizes(_config(spec, layers=spec.depth)))
    config = _config(spec, layers=spec.layers_used)
    tensors = load_official(Siglip2VisionModel, source, config=config)
    copy_weights(module.transformer, tensors, source, unused=unused_of(spec))


def _sizes(config: Siglip2VisionConfig) -> dict[str, Any]:
    return {**sizes_of(config, _OWN), "flexible": round(config.num_patches**0.5)}


def _config(spec: Siglip2, *, layers: int) -> Siglip2VisionConfig:
    values = {**config_values(spec, _OWN), "num_hidden_layers": layers, "vision_use_head": spec.pooled}
    return Siglip2VisionConfig(**values, num_patches=int(spec.flexible or 0) ** 2)
