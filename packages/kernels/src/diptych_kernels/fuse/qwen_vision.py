"""Blocks and attention of the vision tower of transformers' Qwen2.5-VL."""

import sys
from typing import Any

import torch
from torch import Tensor

from diptych_kernels.fuse.rule import Rule, no_attention_functions, passed_over
from diptych_kernels.ops.gated_residual_norm import gated_residual_norm
from diptych_kernels.ops.qk_norm_rope import qk_norm_rope


def _block(
    self: Any,
    hidden_states: Tensor,
    cu_seqlens: Tensor,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    **kwargs: Any,
) -> Tensor:
    attended = self.attn(
        self.norm1(hidden_states),
        cu_seqlens=cu_seqlens,
        position_embeddings=position_embeddings,
        **kwargs,
    )
    stream, inner = gated_residual_norm(
        hidden_states,
        attended,
        self.norm2.weight,
        eps=self.norm2.variance_epsilon,
        implementation=self._fused_implementation,
    )
    out: Tensor = stream + self.mlp(inner)
    return out


def _block_cannot(module: Any) -> str | None:
    norm = type(module.norm2).__name__
    if norm != "Qwen2_5_VLRMSNorm":
        return f"norm2 is {norm}"
    return passed_over(module, ("norm2",))


def _attention(
    self: Any,
    hidden_states: Tensor,
    cu_seqlens: Tensor,
    position_embeddings: tuple[Tensor, Tensor],
    max_seqlen: int | None = None,
    **kwargs: Any,
) -> Tensor:
    """Pictures lie one after the other, and each attends to itself: ``n d``."""
    length = hidden_states.shape[0]
    q, k, v = self.qkv(hidden_states).view(1, length, 3, self.num_heads, -1).unbind(2)
    # The table has every angle twice, once for each half.
    cos, sin = (table[..., : self.head_dim // 2] for table in position_embeddings)
    q, k = qk_norm_rope(q, k, cos, sin, implementation=self._fused_implementation)

    home = sys.modules[self._fused_from.__module__]
    attend = home.ALL_ATTENTION_FUNCTIONS.get_interface(
        self.config._attn_implementation, home.eager_attention_forward
    )
    lengths = (cu_seqlens[1:] - cu_seqlens[:-1]).tolist()
    pictures = zip(*(a.transpose(1, 2).split(lengths, 2) for a in (q, k, v)), strict=True)
    dropout = self.attention_dropout if self.training else 0.0
    mixed = [
        attend(
            self, *picture, attention_mask=None, scaling=self.scaling, dropout=dropout,
            is_causal=False, **kwargs,
        )[0]
        for picture in pictures
    ]  # fmt: skip
    out: Tensor = self.proj(torch.cat(mixed, 1).reshape(length, -1))
    return out


def _attention_cannot(module: Any) -> str | None:
    lacks = no_attention_functions(module)
    if lacks:
        return lacks
    attend = module.config._attn_implementation
    if "flash" in attend:
        return f"{attend} takes all pictures at once, the fused forward one after the other"
    return None


VISION_BLOCK = Rule(
    ("Qwen2_5_VLVisionBlock",),
    ("gated_residual_norm",),
    _block,
    ("hidden_states", "cu_seqlens", "position_embeddings", "kwargs"),
    _block_cannot,
)
VISION_ATTENTION = Rule(
    ("Qwen2_5_VLVisionAttention",),
    ("qk_norm_rope",),
    _attention,
    ("hidden_states", "cu_seqlens", "position_embeddings", "max_seqlen", "kwargs"),
    _attention_cannot,
)
