"""Definition and oracle of ``qk_norm_rope``."""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm


def qk_norm_rope_reference(
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    q_weight: Tensor | None = None,
    k_weight: Tensor | None = None,
    q_bias: Tensor | None = None,
    k_bias: Tensor | None = None,
    norm: str | None = None,
    pairs: str = "halves",
    eps: float = 1e-6,
) -> tuple[Tensor, Tensor | None]:
    """Normalises queries and keys, then turns pairs of channels by the angles of their token.

        y = a / sqrt(mean(a^2, d) + eps) * weight                    norm = "head" (RMSNorm)
        y = (a - mean(a, h d)) / sqrt(var(a, h d) + eps) * weight + bias    "row" (LayerNorm)
        y = a                                                               None
        (u, v) -> (u cos - v sin, u sin + v cos)    for every pair (u, v) of channels of y

    A pair is channels ``i`` and ``i + d/2`` of a head (``pairs="halves"``, as in Llama and Qwen)
    or ``2 i`` and ``2 i + 1`` (``"adjacent"``, as in Lumina and the RoPE paper). Two-dimensional
    and multimodal rotations differ in the table alone.

    Shapes: q ``b n h d``, k ``b n g d`` or None; cos, sin ``n p`` or ``b n p`` with ``p = d/2``;
    weights ``d`` for "head", ``(h d)`` and ``(g d)`` for "row", and so the biases, which only
    "row" may have.

    Dtypes: float32, bfloat16, float16, float64, which may differ between arguments. Everything
    is computed in float32 (float64 if any argument is) and rounded once, to the dtype of q or k.
    The variance is that of the population. The table is constant: it gets no gradient.

    Source: RoPE, arXiv 2104.09864; QK-norm, arXiv 2302.05442; per head as in Qwen3,
    arXiv 2505.09388; over the row as in Lumina-Next, arXiv 2406.18583.
    """
    tensors = (q, k, cos, sin, q_weight, k_weight, q_bias, k_bias)
    double = any(a is not None and a.dtype == torch.float64 for a in tensors)
    wide = torch.float64 if double else torch.float32

    def turned(a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        y = a.to(wide)
        if norm == "head" and weight is not None:
            y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps) * weight.to(wide)
        elif norm == "row" and weight is not None:
            row = (y.shape[-2] * y.shape[-1],)
            bias = None if bias is None else bias.to(wide)
            y = layer_norm(y.flatten(-2), row, weight.to(wide), bias, eps).view(a.shape)
        c, s = cos.to(wide).unsqueeze(-2), sin.to(wide).unsqueeze(-2)
        if pairs == "halves":
            u, v = y.chunk(2, -1)
            return torch.cat([u * c - v * s, u * s + v * c], -1).to(a.dtype)
        u, v = y.unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack([u * c - v * s, u * s + v * c], -1).flatten(-2).to(a.dtype)

    return turned(q, q_weight, q_bias), None if k is None else turned(k, k_weight, k_bias)
