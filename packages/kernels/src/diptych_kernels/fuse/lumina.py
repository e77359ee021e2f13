"""Blocks of Lumina-Next, ours and diffusers': sandwich norms, and rotation after a row norm."""

import math
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from diptych_kernels.fuse.rule import Rule, norm_without_weight, passed_over
from diptych_kernels.ops.gated_residual_norm import gated_residual_norm
from diptych_kernels.ops.qk_norm_rope import qk_norm_rope


_OPERATIONS = ("qk_norm_rope", "gated_residual_norm")
_READ = ("norm2", "ffn_norm1", "ffn_norm2")


def _diptych_block(
    self: Any,
    x: Tensor,
    time: Tensor,
    rope: Tensor,
    context: tuple[Tensor, Tensor],
    mask: Tensor | None,
    null: Tensor | None = None,
) -> Tensor:
    attend = sys.modules[self._fused_from.__module__].attend
    implementation = self._fused_implementation
    inner, gate, ffn_scale, ffn_gate = self.norm1(x, time)
    one, two = self.attn1, self.attn2
    cos, sin = rope

    def heads(a: Tensor) -> Tensor:
        return a.unflatten(-1, (-1, one.head_width))

    q, k = _turned(one, heads(one.to_q(inner)), heads(one.to_k(inner)), cos, sin, implementation)
    own = attend(q, k, one.values(inner))
    share, count = torch.tanh(self.gate)[:, None], len(context[0])
    q, _ = _turned(two, heads(two.to_q(inner[:count])), None, cos, sin, implementation)
    mixed = own[:count] + share * attend(q, *context, mask)
    if null is not None:
        mixed = torch.cat([mixed, own[count:] + share * null])
    mixed = two.to_out[0](mixed.flatten(-2))
    return _sandwich(self, x, mixed, gate[:, 0], ffn_scale[:, 0], ffn_gate[:, 0])


def _diffusers_block(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor,
    image_rotary_emb: Tensor,
    encoder_hidden_states: Tensor,
    encoder_mask: Tensor,
    temb: Tensor,
    cross_attention_kwargs: dict[str, Any] | None = None,
) -> Tensor:
    inner, gate, ffn_scale, ffn_gate = self.norm1(hidden_states, temb)
    context = self.norm1_context(encoder_hidden_states)
    implementation, more = self._fused_implementation, cross_attention_kwargs or {}
    own = _attend(self.attn1, inner, inner, attention_mask, image_rotary_emb, True,
                  implementation, **more)  # fmt: skip
    cross = _attend(self.attn2, inner, context, encoder_mask, image_rotary_emb, False,
                    implementation, **more)  # fmt: skip
    mixed = own + cross * self.gate.tanh().view(1, 1, -1, 1)
    mixed = self.attn2.to_out[0](mixed.flatten(-2))
    return _sandwich(self, hidden_states, mixed, gate, ffn_scale, ffn_gate)


def _sandwich(
    block: Any, x: Tensor, mixed: Tensor, gate: Tensor, ffn_scale: Tensor, ffn_gate: Tensor
) -> Tensor:
    """From the output of attention to that of the block; gates and scales are ``b d``."""
    x, inner = gated_residual_norm(
        x,
        mixed,
        block.ffn_norm1.weight,
        branch_weight=block.norm2.weight,
        gate=gate,
        scale=ffn_scale,
        eps=block.norm2.eps,
        implementation=block._fused_implementation,
    )
    # The next norm is the next block's.
    x, _ = gated_residual_norm(
        x,
        block.feed_forward(inner),
        None,
        branch_weight=block.ffn_norm2.weight,
        gate=ffn_gate,
        eps=block.ffn_norm2.eps,
        implementation=block._fused_implementation,
    )
    return x


def _turned(
    attention: Any,
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    implementation: str | None,
) -> tuple[Tensor, Tensor | None]:
    """Row norm, where there is one, and rotation of ``b n h d``."""
    norm_q, norm_k = attention.norm_q, attention.norm_k
    if not isinstance(norm_q, nn.LayerNorm):
        return qk_norm_rope(q, k, cos, sin, pairs="adjacent", implementation=implementation)
    return qk_norm_rope(
        q,
        k,
        cos,
        sin,
        q_weight=norm_q.weight,
        k_weight=None if k is None else norm_k.weight,
        q_bias=norm_q.bias,
        k_bias=None if k is None else norm_k.bias,
        norm="row",
        pairs="adjacent",
        eps=norm_q.eps,
        implementation=implementation,
    )


def _attend(
    attention: Any,
    inner: Tensor,
    context: Tensor,
    mask: Tensor,
    rope: Tensor,
    of_itself: bool,
    implementation: str | None,
    base_sequence_length: int | None = None,
) -> Tensor:
    """As ``LuminaAttnProcessor2_0``: keys are turned only where a sequence attends to itself."""
    q, k, v = attention.to_q(inner), attention.to_k(context), attention.to_v(context)
    width = q.shape[-1] // attention.heads
    cos, sin = (rope[0].real, rope[0].imag) if rope.shape[0] == 1 else (rope.real, rope.imag)
    keys: Tensor | None = k.unflatten(-1, (-1, width)) if of_itself else None
    q, turned = _turned(attention, q.unflatten(-1, (-1, width)), keys, cos, sin, implementation)
    if turned is None:
        k = k if attention.norm_k is None else attention.norm_k(k)
        turned = k.unflatten(-1, (-1, width))
    v = v.unflatten(-1, (-1, width))
    scale: float | None = attention.scale if of_itself else None
    if scale is not None and base_sequence_length is not None:
        scale *= math.sqrt(math.log(inner.shape[1], base_sequence_length))
    groups = attention.heads // v.shape[2]
    turned, v = (a.repeat_interleave(groups, 2).transpose(1, 2) for a in (turned, v))
    mixed = scaled_dot_product_attention(
        q.transpose(1, 2), turned, v, attn_mask=mask.bool()[:, None, None], scale=scale
    )
    return mixed.transpose(1, 2)


def _attention_cannot(attention: Any, name: str) -> str | None:
    norms = (attention.norm_q, attention.norm_k)
    if all(norm is None or isinstance(norm, nn.Identity) for norm in norms):
        return None
    if not all(isinstance(norm, nn.LayerNorm) and norm.weight is not None for norm in norms):
        return f"{name} has other norms of queries and keys than a LayerNorm with weights"
    if norms[0].eps != norms[1].eps:
        return f"the norms of {name} differ in eps"
    return passed_over(attention, ("norm_q", "norm_k"))


def _diptych_cannot(block: Any) -> str | None:
    if not hasattr(sys.modules[type(block).__module__], "attend"):
        return f"{type(block).__module__} has no attend"
    return _block_cannot(block)


def _block_cannot(block: Any) -> str | None:
    reason = norm_without_weight(block, _READ) or passed_over(block, _READ)
    if reason is None and block.norm2.eps != block.ffn_norm1.eps:
        reason = "norm2 and ffn_norm1 differ in eps"
    for name in ("attn1", "attn2"):
        reason = reason or _attention_cannot(getattr(block, name), name)
    return reason


def _diffusers_cannot(block: Any) -> str | None:
    for name in ("attn1", "attn2"):
        processor = type(getattr(block, name).processor).__name__
        if processor != "LuminaAttnProcessor2_0":
            return f"the processor of {name} is {processor}"
    return passed_over(block, ("attn1", "attn2")) or _block_cannot(block)


DIPTYCH_BLOCK = Rule(
    ("LuminaNextBlock",),
    _OPERATIONS,
    _diptych_block,
    ("x", "time", "rope", "context", "mask", "null"),
    _diptych_cannot,
)
DIFFUSERS_BLOCK = Rule(
    ("LuminaNextDiTBlock",),
    _OPERATIONS,
    _diffusers_block,
    (
        "hidden_states",
        "attention_mask",
        "image_rotary_emb",
        "encoder_hidden_states",
        "encoder_mask",
        "temb",
        "cross_attention_kwargs",
    ),
    _diffusers_cannot,
)
