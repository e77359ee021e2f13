"""The module of `plain-transformer`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from diptych.backbones.positions import positions_of, visible


class KeyValueCache:
    """Keys and values of past positions, one pair a layer."""

    def __init__(self) -> None:
        self._pairs: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append k, v [b h s d] of a layer; return all of them so far."""
        if layer in self._pairs:
            old_k, old_v = self._pairs[layer]
            k, v = torch.cat([old_k, k], 2), torch.cat([old_v, v], 2)
        self._pairs[layer] = (k, v)
        return k, v


class PlainTransformer(nn.Module):
    """Pre-norm decoder: x + attention(norm(x)), x + mlp(norm(x)), a final norm, output tied to the embedding."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(_Layer(width, heads, mlp_width) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-6)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def embed(self, ids: Tensor) -> Tensor:
        """Look up embeddings: ids [b s] -> [b s d]."""
        return self.embedding(ids)

    def forward(self, embeds: Tensor, mask: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Run the decoder.

        embeds [b s d], mask [b past+s] (True = real; padding on the left) -> final-normed states [b s d]

        With a cache, `embeds` are the new positions only and the cache grows.
        """
        positions = positions_of(mask, embeds.shape[1])
        seen = visible(mask, embeds.shape[1])
        x = embeds
        for index, layer in enumerate(self.layers):
            x = layer(x, positions, seen, cache, index)
        return self.norm(x)

    def logits(self, states: Tensor) -> Tensor:
        """Score the vocabulary: states [… d] -> [… v]."""
        return F.linear(states, self.embedding.weight)

    def new_cache(self) -> KeyValueCache:
        """Make an empty key/value cache for incremental decoding."""
        return KeyValueCache()


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * mlp_width, bias=False)
        self.down = nn.Linear(mlp_width, width, bias=False)

    def forward(self, x: Tensor, positions: Tensor, seen: Tensor, cache: KeyValueCache | None, index: int) -> Tensor:
        q, k, v = rearrange(self.qkv(self.attention_norm(x)), "b s (three h d) -> three b h s d", three=3, h=self.heads)
        q, k = _rotate(q, positions), _rotate(k, positions)
        if cache is not None:
            k, v = cache.extend(index, k, v)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x + self.out(rearrange(mixed, "b h s d -> b s (h d)"))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def _rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary position embedding, half-split (RoFormer, arXiv 2104.09864): x [b h s d], positions [b s] -> [b h s d].

    Angles are at least float32, whatever x is: bfloat16 does not know 513 from 512.
    """
    half, exact = x.shape[-1] // 2, torch.promote_types(x.dtype, torch.float32)
    frequencies = 10000.0 ** (-torch.arange(half, device=x.device, dtype=exact) / half)
    angles = positions[:, None, :, None].to(exact) * frequencies
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
