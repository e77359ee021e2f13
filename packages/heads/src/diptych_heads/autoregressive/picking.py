"""Choosing an id from logits."""

from __future__ import annotations

import torch
from torch import Tensor

from diptych.precision import at_least_float32


def pick(
    logits: Tensor, drawn: Tensor, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Tensor:
    """Choose ids by inverting the cumulative distribution, so that one number a sample decides.

    First the `top_k` likeliest ids are kept, then the fewest of these that together reach `top_p`
    (nucleus sampling, arXiv 1904.09751), at least one.

    Args:
        logits: `b codes`.
        drawn: uniform numbers in [0, 1), `b`.
        temperature: divides the logits; 0 takes the likeliest id.
        top_k: 0 for all.
        top_p: 1 for all.

    Returns:
        Ids `b`.
    """
    if temperature == 0:
        return logits.argmax(-1)
    logits = at_least_float32(logits) / temperature
    if not top_k and top_p == 1:  # no order is needed, which is quicker
        shares = logits.softmax(-1).cumsum(-1)
        place = (shares <= drawn[:, None].to(shares) * shares[:, -1:]).sum(-1)
        return place.clamp(max=logits.shape[-1] - 1)
    kept = min(top_k or logits.shape[-1], logits.shape[-1])
    values, ids = logits.topk(kept, dim=-1)
    shares = values.softmax(-1).cumsum(-1)
    if top_p < 1:
        before = torch.cat([torch.zeros_like(shares[:, :1]), shares[:, :-1]], -1)
        end = (before < top_p).sum(-1, keepdim=True) - 1
        total = shares.gather(-1, end)
    else:
        end = torch.full_like(ids[:, :1], kept - 1)
        total = shares[:, -1:]
    place = (shares <= drawn[:, None].to(shares) * total).sum(-1, keepdim=True).minimum(end)
    return ids.gather(-1, place)[:, 0]
