"""Definition and oracle of ``linear_cross_entropy``."""

import torch
from torch import Tensor


def linear_cross_entropy_reference(
    x: Tensor,
    weight: Tensor,
    labels: Tensor,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    soft_cap: float = 0.0,
) -> Tensor:
    """Computes the cross-entropy of each row, with logits that a linear layer gives.

        l    = x weight^T, or soft_cap * tanh(x weight^T / soft_cap) if soft_cap > 0
        lse  = log sum_k exp(l_k)
        loss = (1 - label_smoothing) (lse - l_label) + label_smoothing (lse - mean_k l_k)
               + z_loss lse^2

    A row whose label is ``ignore_index`` has loss 0 and adds nothing to any gradient, whatever
    it holds.

    Shapes: x ``n d``, weight ``v d``, labels ``n`` (int64 or int32, in [0, v)), loss ``n``.

    Dtypes: float32, bfloat16, float16, float64, which may differ. Products are summed, and all
    else is computed and returned, in float32 (float64 if either argument is); logits are not
    rounded in between.

    Source: label smoothing arXiv 1512.00567, section 7; z-loss arXiv 2204.02311, section 5; soft
    cap arXiv 2408.00118, section 2.
    """
    wide = torch.float64 if torch.float64 in (x.dtype, weight.dtype) else torch.float32
    kept = labels != ignore_index
    logits = torch.where(kept[:, None], x.to(wide), 0.0) @ weight.to(wide).mT
    if soft_cap > 0:
        logits = soft_cap * torch.tanh(logits / soft_cap)
    lse = logits.logsumexp(-1)
    picked = logits.gather(1, torch.where(kept, labels, 0).long()[:, None])[:, 0]
    loss = (1 - label_smoothing) * (lse - picked)
    if label_smoothing > 0:
        loss = loss + label_smoothing * (lse - logits.mean(-1))
    return torch.where(kept, loss + z_loss * lse.square(), 0.0)
