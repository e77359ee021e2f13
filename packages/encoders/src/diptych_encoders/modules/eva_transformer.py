"""EVA-CLIP's vision transformer, written from its published description; tensor names are those of its weights."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from diptych_encoders.modules.rotary import rotary_grid, rotate_pairs


class EvaTransformer(nn.Module):
    """Pixels -> states of the class token and the patches after the last block (Sun et al. 2023, EVA-CLIP).

    The released models come in two forms: E with post-norm blocks `x + norm(f(x))`, which needs no norm at the end
    and whose raw states are BLIP3-o's targets; B and L with pre-norm blocks `x + f(norm(x))`, rotary positions,
    SwiGLU and sub-norms (Sun et al. 2023, EVA-02).
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        mlp_width: int,
        image_size: int,
        patch_size: int,
        eps: float,
        gated: bool,
        post_norm: bool,
        sub_norm: bool,
        rotary: int | None,
        final_norm: bool,
        attention: Literal["sdpa", "eager"],
    ) -> None:
        """Make the layers.

        Args:
            width: of the states.
            depth: blocks.
            heads: attention heads.
            mlp_width: inside the MLP.
            image_size: pixels along a side.
            patch_size: pixels along a side of a patch.
            eps: of all layer norms.
            gated: SwiGLU instead of exact GELU.
            post_norm: norms after attention and MLP instead of before.
            sub_norm: norms before the last maps of attention and MLP.
            rotary: grid that the angles of rotary positions refer to; none for no such positions.
            final_norm: a norm after the last block.
            attention: how it is computed.
        """
        super().__init__()
        self.image_size, self.grid = image_size, image_size // patch_size
        self.head_width, self.rotary = width // heads, rotary
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch_size, patch_size)})
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, self.grid**2 + 1, width))
        self.blocks = nn.ModuleList(
            EvaBlock(
                width,
                heads,
                mlp_width,
                eps=eps,
                gated=gated,
                post_norm=post_norm,
                sub_norm=sub_norm,
                attention=attention,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps) if final_norm else nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the states `[b (1 + h w) d]` of `[b 3 h p w p]`: the class token, then the row-major grid."""
        patches = rearrange(self.patch_embed["proj"](pixels), "b d h w -> b (h w) d")
        states = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        turns = rotary_grid(self.grid, self.head_width, self.rotary, states) if self.rotary else None
        for block in self.blocks:
            states = block(states, turns)
        return self.norm(states)


class EvaBlock(nn.Module):
    """Attention and MLP, each added to the states, with its norm before or after it."""

    def __init__(
        self, width: int, heads: int, mlp_width: int, *, eps: float, gated: bool, post_norm: bool, sub_norm: bool,
        attention: Literal["sdpa", "eager"],
    ) -> None:  # fmt: skip
        """Make the layers; see `EvaTransformer`."""
        super().__init__()
        self.post_norm = post_norm
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attn = EvaAttention(width, heads, eps=eps, sub_norm=sub_norm, attention=attention)
        self.mlp = (EvaGatedMlp if gated else EvaMlp)(width, mlp_width, eps=eps, sub_norm=sub_norm)

    def forward(self, states: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return the new states `[b n d]`; `turns` are the cosines and sines of rotary positions, if any."""
        if self.post_norm:
            states = states + self.norm1(self.attn(states, turns))
            return states + self.norm2(self.mlp(states))
        states = states + self.attn(self.norm1(states), turns)
        return states + self.mlp(self.norm2(states))


class EvaAttention(nn.Module):
    """Softmax attention of every token to every token; rotary positions turn the patches, not the class token."""

    def __init__(
        self, width: int, heads: int, *, eps: float, sub_norm: bool, attention: Literal["sdpa", "eager"]
    ) -> None:
        """Make the layers; see `EvaTransformer`."""
        super().__init__()
        self.heads, self.attention = heads, attention
        self.qkv = nn.Linear(width, 3 * width)
        self.inner_attn_ln = nn.LayerNorm(width, eps) if sub_norm else nn.Identity()
        self.proj = nn.Linear(width, width)

    def forward(self, states: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return what attention adds: `[b n d]` -> `[b n d]`."""
        queries, keys, values = rearrange(self.qkv(states), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        if turns is not None:
            queries, keys = _turn_patches(queries, turns), _turn_patches(keys, turns)
        if self.attention == "sdpa":
            mixed = F.scaled_dot_product_attention(queries, keys, values)
        else:
            scores = (queries @ keys.mT) * queries.shape[-1] ** -0.5
            exact = torch.promote_types(scores.dtype, torch.float32)
            mixed = scores.softmax(-1, dtype=exact).to(values.dtype) @ values
        return self.proj(self.inner_attn_ln(rearrange(mixed, "b h n d -> b n (h d)")))


class EvaMlp(nn.Module):
    """Two maps with an exact GELU between them."""

    def __init__(self, width: int, inner: int, *, eps: float, sub_norm: bool) -> None:
        """Make the layers; see `EvaTransformer`."""
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.ffn_ln = nn.LayerNorm(inner, eps) if sub_norm else nn.Identity()
        self.fc2 = nn.Linear(inner, width)

    def forward(self, states: Tensor) -> Tensor:
        """Return what the MLP adds: `[b n d]` -> `[b n d]`."""
        return self.fc2(self.ffn_ln(F.gelu(self.fc1(states))))


class EvaGatedMlp(nn.Module):
    """SwiGLU: `w3(norm(silu(w1 x) * w2 x))`."""

    def __init__(self, width: int, inner: int, *, eps: float, sub_norm: bool) -> None:
        """Make the layers; see `EvaTransformer`."""
        super().__init__()
        self.w1, self.w2 = nn.Linear(width, inner), nn.Linear(width, inner)
        self.ffn_ln = nn.LayerNorm(inner, eps) if sub_norm else nn.Identity()
        self.w3 = nn.Linear(inner, width)

    def forward(self, states: Tensor) -> Tensor:
        """Return what the MLP adds: `[b n d]` -> `[b n d]`."""
        return self.w3(self.ffn_ln(F.silu(self.w1(states)) * self.w2(states)))


def _turn_patches(vectors: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn all vectors `[b h n d]` but the first, the class token's."""
    return torch.cat([vectors[:, :, :1], rotate_pairs(vectors[:, :, 1:], *turns)], dim=2)
