"""The module of `qwen2.5-vl`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.cache_utils import Cache, DynamicCache

from diptych.backbones.hf_module import HFCausalLM
from diptych.backbones.lora import inject
from diptych.backbones.lora_spec import Lora
from diptych.backbones.mrope import Span, mrope_positions
from diptych.backbones.positions import positions_of
from diptych.backbones.roomy_cache import with_room


_FRAMES = 2
"""The tower embeds pairs of frames; a still picture is its own second frame."""


class MropeCache(DynamicCache):
    """Keys and values, and by how much positions lag behind the number of tokens [b], after pictures."""

    lag: Tensor | None = None


class Qwen25VL(HFCausalLM):
    """Qwen2.5-VL (arXiv 2502.13923) behind the backbone contract.

    Sequences without pictures have the same positions on all axes, which are those of `hf-causal-lm`.
    """

    def __init__(self, config: dict[str, Any], attention: str, lora: Lora | None, grid: int) -> None:
        nn.Module.__init__(self)
        made = Qwen2_5_VLConfig(**config)
        self.model: Any = Qwen2_5_VLForConditionalGeneration._from_config(made, attn_implementation=attention)
        self.grid, self.lora = grid, lora
        if lora is not None:
            inject(self.model, lora)

    def read(self, pixels: Tensor) -> Tensor:
        """Embed pictures: preprocessed pixels [k 3 h w], h = w = image_size -> [k n d], row-major.

        Raises:
            ValueError: if they are of another size.
        """
        vision = self.model.config.vision_config
        side = self.grid * vision.spatial_merge_size
        if pixels.shape[1:] != (3, side * vision.patch_size, side * vision.patch_size):
            size = side * vision.patch_size
            raise ValueError(f"this tower takes pictures [k 3 {size} {size}], not {list(pixels.shape)}")
        patches = rearrange(
            pixels,
            "k c (h mh p) (w mw q) -> (k h w mh mw) c p q",
            mh=vision.spatial_merge_size,
            mw=vision.spatial_merge_size,
            p=vision.patch_size,
            q=vision.patch_size,
        )
        flat = repeat(patches, "n c p q -> n (c t p q)", t=_FRAMES)
        grids = torch.tensor([[1, side, side]] * len(pixels), device=pixels.device)
        tokens = self.model.model.visual(flat, grid_thw=grids).pooler_output
        return rearrange(tokens, "(k n) d -> k n d", k=len(pixels))

    def forward(self, embeds: Tensor, mask: Tensor, cache: Cache | None = None, images: Sequence[Span] = ()) -> Tensor:
        """Run the decoder.

        embeds [b s d], mask [b past+s] (True = real; padding on the left) -> final-normed states [b s d]

        `images` says where `read` pictures stand in `embeds`: row, first position, number of positions. With a cache,
        `embeds` are the new positions only and the cache grows; pictures stand in the first of its passes.

        Raises:
            ValueError: if pictures come after a first pass.
        """
        length = embeds.shape[1]
        if images:
            if length != mask.shape[1]:
                raise ValueError("pictures must all stand in the first pass over a sequence")
            positions, lag = mrope_positions(mask, images, (self.grid, self.grid))
            if isinstance(cache, MropeCache):
                cache.lag = lag
        else:
            positions = positions_of(mask, length)
            if isinstance(cache, MropeCache) and cache.lag is not None:
                positions = positions - cache.lag[:, None]
            positions = positions.expand(3, -1, -1)
        return self._run(self.model.model.language_model, embeds, mask, positions, cache)

    def new_cache(self) -> MropeCache:
        """Make an empty key/value cache for incremental decoding."""
        cache = MropeCache(config=self.model.config.get_text_config())
        with_room(cache)
        return cache
