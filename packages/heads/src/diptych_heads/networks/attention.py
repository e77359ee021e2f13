"""Attention as the networks share it: heads, masks, fewer key heads than query heads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from diptych.precision import at_least_float32, without_autocast


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute softmax(q k^T / sqrt(d)) v; every group of query heads shares one key and value head.

    Args:
        queries: `b n heads d`.
        keys: `b m kv_heads d`; kv_heads divides heads.
        values: `b m kv_heads d`.
        mask: which keys are real, bool `b m`; None if all are.

    Returns:
        `b n heads d`.
    """
    mixed = functional.scaled_dot_product_attention(
        queries.transpose(1, 2),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=None if mask is None else mask[:, None, None],
        enable_gqa=queries.shape[2] != keys.shape[2],
    )
    return mixed.transpose(1, 2)


def usable_mask(mask: Tensor | None) -> Tensor | None:
    """Return a mask `b m` that keeps softmax finite: a row without real tokens attends to all."""
    if mask is None:
        return None
    return mask | ~mask.any(dim=1, keepdim=True)


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Average tokens `b m d -> b d` over those where mask `b m` is True (all of them for None).

    Sums are in float32 or higher: in float16 those of a few hundred tokens may be infinite.
    """
    wide = at_least_float32(x)
    if mask is None:
        return wide.mean(dim=1).to(x.dtype)
    weights = mask.to(wide.dtype)
    with without_autocast(wide):
        total = torch.einsum("bmd,bm->bd", wide, weights)
    return (total / weights.sum(dim=1, keepdim=True)).to(x.dtype)
