"""Qwen2.5-VL's vision tower from the transformers library, standing alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from diptych.errors import CheckpointError
from diptych_encoders.modules.foreign_files import read_foreign
from diptych_encoders.modules.many_features import ManyFeatures, pack
from diptych_encoders.modules.pretrained import copy_weights


if TYPE_CHECKING:
    from diptych_encoders.qwen25_vl import Qwen25Vl

_ANCHOR = "merger.ln_q.weight"


class QwenVision(nn.Module):
    """Pixels -> features of the language model's width, one for each square of merge x merge patches.

    The official tower takes patches of many pictures in one row and reads their sizes from a tensor, which cannot be
    traced. Here a batch has one size, known from its shape, so that all is; several sizes go one after the other.
    """

    def __init__(self, transformer: nn.Module, *, patch: int, merge: int, window: int, whole: Sequence[int]) -> None:
        """Wrap the official tower.

        Args:
            transformer: the tower, whose layers are called one by one.
            patch: pixels along a side of a patch.
            merge: patches along a side of a feature.
            window: features along a side of a window.
            whole: layers that attend to the whole picture.
        """
        super().__init__()
        self.transformer = transformer
        self.patch, self.merge, self.window, self.whole = patch, merge, window, tuple(whole)

    def grid_of(self, pixels: Tensor) -> tuple[int, int]:
        """Return the height and width of the grid of features of pixels `[... 3 h w]`.

        Raises:
            ValueError: if a side is no multiple of a feature's.
        """
        (channels, height, width), cell = pixels.shape[-3:], self.patch * self.merge
        if channels != 3 or not height or not width or height % cell or width % cell:
            raise ValueError(
                f"this encoder takes images of 3 channels whose sides are multiples of {cell}, not "
                f"{list(pixels.shape)}; put them through its spec's `preprocess` or `native_preprocess`"
            )
        return height // cell, width // cell

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode images of one size: `[b 3 h w]` -> features `[b n d]`, row-major; `grid_of` says their grid."""
        model: Any = self.transformer
        height, width = self.grid_of(pixels)
        order, lengths = window_order(height, width, self.window)
        places = torch.tensor(order, device=pixels.device)
        states = self._cells(pixels)[:, places].flatten(1, 2)
        turns = self._angles(height, width, states)[places].flatten(0, 1)
        sizes = tuple(length * self.merge**2 for length in lengths)
        for index, block in enumerate(model.blocks):
            windows = (states.shape[1],) if index in self.whole else sizes
            states = states + _attend(block.attn, block.norm1(states), turns, windows)
            states = states + block.mlp(block.norm2(states))
        merged = model.merger(states.contiguous()).unflatten(0, (len(pixels), -1))
        return merged[:, places.argsort()]

    def encode_many(self, pictures: Sequence[Tensor]) -> ManyFeatures:
        """Encode pictures `[3 h w]` of different sizes, each as it would be alone.

        Raises:
            ValueError: if a side is no multiple of a feature's, or there are no pictures.
        """
        if not pictures:
            raise ValueError("there are no pictures to encode")
        return pack([self(each[None])[0] for each in pictures], [self.grid_of(each) for each in pictures])

    def _cells(self, pixels: Tensor) -> Tensor:
        """Embed the patches of each feature: `[b 3 h w]` -> `[b n merge*merge d]`."""
        model: Any = self.transformer
        side, merge = self.patch, self.merge
        patches = rearrange(pixels, "b c (h i p) (w j q) -> b (h w) (i j) c p q", i=merge, j=merge, p=side, q=side)
        frames = repeat(patches, "b n m c p q -> (b n m) (c t p q)", t=model.patch_embed.temporal_patch_size)
        return model.patch_embed(frames).view(*patches.shape[:3], -1)

    def _angles(self, height: int, width: int, like: Tensor) -> Tensor:
        """Make the angles by which each patch turns: `[n merge*merge head_width/2]`, rows first, then columns."""
        model: Any = self.transformer
        merge, half = self.merge, model.blocks[0].attn.head_dim // 2
        exact = torch.promote_types(like.dtype, torch.float32)
        rates = 10_000.0 ** -(torch.arange(0, half, 2, dtype=torch.float32, device=like.device) / half)
        rows = torch.arange(height * merge, device=like.device)[:, None, None] * rates.to(exact)
        columns = torch.arange(width * merge, device=like.device)[None, :, None] * rates.to(exact)
        both = torch.cat([rows.expand(-1, width * merge, -1), columns.expand(height * merge, -1, -1)], dim=-1)
        return rearrange(both, "(h i) (w j) d -> (h w) (i j) d", i=merge, j=merge)


def window_order(height: int, width: int, side: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Put the places of a grid in the order of their windows, row by row, each window row by row.

    Args:
        height: of the grid.
        width: of the grid.
        side: of a window; those at the right and bottom may be smaller.

    Returns:
        Row-major indices in their new order, and how many each window has.
    """
    order, lengths = [], []
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = range(top, min(top + side, height)), range(left, min(left + side, width))
            order += [row * width + column for row in rows for column in columns]
            lengths.append(len(rows) * len(columns))
    return tuple(order), tuple(lengths)


def _attend(attention: Any, states: Tensor, turns: Tensor, windows: Sequence[int]) -> Tensor:
    """Let every token of `[b n d]` attend to those of its window; windows follow each other."""
    parts = rearrange(attention.qkv(states), "b n (three h d) -> three b h n d", three=3, h=attention.num_heads)
    queries, keys, values = _turned(parts[0], turns), _turned(parts[1], turns), parts[2]
    runs = [(size, len(list(same)) * size) for size, same in groupby(windows)]
    lengths, mixed = [length for _, length in runs], []
    split = zip(runs, *(each.split(lengths, 2) for each in (queries, keys, values)), strict=True)
    for (size, _), q, k, v in split:
        q, k, v = (rearrange(each, "b h (w n) d -> (b w) h n d", n=size) for each in (q, k, v))
        mixed.append(rearrange(F.scaled_dot_product_attention(q, k, v), "(b w) h n d -> b (w n) (h d)", b=len(states)))
    return attention.proj(torch.cat(mixed, dim=1))


def _turned(vectors: Tensor, turns: Tensor) -> Tensor:
    """Turn the halves of each head's vector against each other: `[b h n d]` by `[n d/2]`."""
    exact = vectors.to(turns.dtype)
    first, second = exact.chunk(2, dim=-1)
    cosines, sines = turns.cos(), turns.sin()
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1).to(vectors.dtype)


def build_qwen(spec: Qwen25Vl) -> QwenVision:
    """Make the tower with fresh weights."""
    config = Qwen2_5_VLVisionConfig(
        depth=spec.depth,
        hidden_size=spec.hidden_width,
        intermediate_size=spec.mlp_width,
        num_heads=spec.heads,
        patch_size=spec.patch_size,
        spatial_merge_size=spec.merge,
        window_size=spec.window,
        out_hidden_size=spec.width,
        fullatt_block_indexes=spec.whole_layers,
    )
    model = Qwen2_5_VisionTransformerPretrainedModel(config)
    return QwenVision(
        model, patch=spec.patch_size, merge=spec.merge, window=spec.window // spec.cell, whole=spec.whole_layers
    )


def load_qwen(spec: Qwen25Vl, module: QwenVision) -> None:
    """Fill the tower with a checkpoint; of a whole model only the tower is read.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    tensors = read_foreign(source, r"(^|\.)(patch_embed|blocks|merger)\.")
    prefixes = [name.removesuffix(_ANCHOR) for name in tensors if name.endswith(_ANCHOR)]
    if len(prefixes) != 1:
        places = ", ".join(f"'{each}'" for each in prefixes) or "nowhere"
        raise CheckpointError(f"weights '{source}': expected one '{_ANCHOR}' of Qwen2.5-VL's tower, found it {places}")
    own = {name.removeprefix(prefixes[0]): value for name, value in tensors.items() if name.startswith(prefixes[0])}
    copy_weights(module.transformer, own, source, whole=True)
