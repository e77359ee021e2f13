"""Decoder layers and attention of transformers' Llama, Qwen2, Qwen2.5-VL and Qwen3."""

import sys
from typing import Any

from torch import Tensor

from diptych_kernels.fuse.rule import Rule, no_attention_functions, norm_without_weight, passed_over
from diptych_kernels.ops.gated_residual_norm import gated_residual_norm
from diptych_kernels.ops.qk_norm_rope import qk_norm_rope


_FAMILIES = ("Llama", "Qwen2", "Qwen2_5_VL", "Qwen3")


def _decoder_layer(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    past_key_values: Any = None,
    use_cache: bool | None = False,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    **kwargs: Any,
) -> Tensor:
    attended, _ = self.self_attn(
        hidden_states=self.input_layernorm(hidden_states),
        attention_mask=attention_mask,
        position_ids=position_ids,
        past_key_values=past_key_values,
        use_cache=use_cache,
        position_embeddings=position_embeddings,
        **kwargs,
    )
    norm = self.post_attention_layernorm
    stream, inner = gated_residual_norm(
        hidden_states,
        attended,
        norm.weight,
        eps=norm.variance_epsilon,
        implementation=self._fused_implementation,
    )
    out: Tensor = stream + self.mlp(inner)
    return out


def _layer_cannot(module: Any) -> str | None:
    norm = type(module.post_attention_layernorm).__name__
    if norm not in tuple(f"{family}RMSNorm" for family in _FAMILIES):
        return f"post_attention_layernorm is {norm}"
    return passed_over(module, ("post_attention_layernorm",))


DECODER_LAYER = Rule(
    tuple(f"{family}DecoderLayer" for family in _FAMILIES),
    ("gated_residual_norm",),
    _decoder_layer,
    (
        "hidden_states",
        "attention_mask",
        "position_ids",
        "past_key_values",
        "use_cache",
        "position_embeddings",
        "kwargs",
    ),
    _layer_cannot,
)


def _attention(
    self: Any,
    hidden_states: Tensor,
    position_embeddings: tuple[Tensor, Tensor],
    attention_mask: Tensor | None,
    past_key_values: Any = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    q, k, v = (
        project(hidden_states).unflatten(-1, (-1, self.head_dim))
        for project in (self.q_proj, self.k_proj, self.v_proj)
    )
    # The table has every angle twice, once for each half; one row serves a batch in step.
    cos, sin = (table[..., : self.head_dim // 2] for table in position_embeddings)
    if cos.shape[0] == 1:
        cos, sin = cos[0], sin[0]
    norm = getattr(self, "q_norm", None)
    q, k = qk_norm_rope(
        q,
        k,
        cos,
        sin,
        q_weight=None if norm is None else norm.weight,
        k_weight=None if norm is None else self.k_norm.weight,
        norm=None if norm is None else "head",
        eps=0.0 if norm is None else norm.variance_epsilon,
        implementation=self._fused_implementation,
    )
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if past_key_values is not None:
        k, v = past_key_values.update(k, v, self.layer_idx)

    home = sys.modules[self._fused_from.__module__]
    attend = home.ALL_ATTENTION_FUNCTIONS.get_interface(
        self.config._attn_implementation, home.eager_attention_forward
    )
    if hasattr(self, "sliding_window"):
        kwargs["sliding_window"] = self.sliding_window
    mixed, weights = attend(
        self, q, k, v, attention_mask, dropout=self.attention_dropout if self.training else 0.0,
        scaling=self.scaling, **kwargs,
    )  # fmt: skip
    return self.o_proj(mixed.reshape(*hidden_states.shape[:-1], -1).contiguous()), weights


def _vl_attention(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    past_key_values: Any = None,
    position_embeddings: Any = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Qwen2.5-VL merges its three tables into one before; only the order of arguments differs."""
    return _attention(
        self, hidden_states, position_embeddings, attention_mask, past_key_values,
        position_ids=position_ids, **kwargs,
    )  # fmt: skip


def _attention_cannot(module: Any) -> str | None:
    lacks = no_attention_functions(module)
    if lacks:
        return lacks
    norms = ("q_norm", "k_norm") if hasattr(module, "q_norm") else ()
    return passed_over(module, norms) or norm_without_weight(module, norms)


ATTENTION = Rule(
    tuple(f"{family}Attention" for family in _FAMILIES if family != "Qwen2_5_VL"),
    ("qk_norm_rope",),
    _attention,
    ("hidden_states", "position_embeddings", "attention_mask", "past_key_values", "kwargs"),
    _attention_cannot,
)
VL_ATTENTION = Rule(
    ("Qwen2_5_VLAttention",),
    ("qk_norm_rope",),
    _vl_attention,
    (
        "hidden_states",
        "attention_mask",
        "position_ids",
        "past_key_values",
        "position_embeddings",
        "kwargs",
    ),
    _attention_cannot,
)
