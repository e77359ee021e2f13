"""Definitions and oracles of ``flow_interpolate`` and ``flow_matching_loss``."""

import torch
from torch import Tensor


def flow_interpolate_reference(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Goes a way t from data to noise, one time for each sample.

        x_t = (1 - t) x + t noise

    so that t = 0 gives x and t = 1 noise, to the bit.

    Shapes: x, noise, x_t ``b n c``; t ``b``.

    Dtypes: float32, bfloat16, float16, float64, which may differ. Computed in float32 (float64 if
    any argument is), rounded once, to the dtype of x. t is constant: it gets no gradient.

    Source: arXiv 2210.02747, section 4.1, with time as in arXiv 2209.03003 reversed: 1 is noise.
    """
    wide = _wide(x, noise, t)
    t = t.to(wide)[:, None, None]
    return ((1 - t) * x.to(wide) + t * noise.to(wide)).to(x.dtype)


def flow_matching_loss_reference(
    prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor | None, mask: Tensor | None
) -> Tensor:
    """The mean squared error of a predicted velocity, one for each sample.

        loss_b = weight_b * mean over real tokens and channels of (prediction - (noise - x))^2

    A token is real where ``mask`` is True; what the others hold is never looked at, NaN included.
    A sample without a real token has loss 0. Without ``mask`` all tokens are real, without
    ``weight`` every sample has weight 1.

    Shapes: prediction, x, noise ``b n c``; weight, loss ``b``; mask bool ``b n``.

    Dtypes: float32, bfloat16, float16, float64, which may differ. Computed and returned in float32
    (float64 if any argument is). Gradients with respect to prediction, x and noise round
    ``prediction - (noise - x)`` to the dtype of the prediction in between: it is what the forward
    keeps for the backward.

    Source: arXiv 2210.02747, eq. 14, whose time runs the other way.
    """
    wide = _wide(*(a for a in (prediction, x, noise, weight) if a is not None))
    error = prediction.to(wide) - (noise.to(wide) - x.to(wide))
    count = x.new_full((), x.shape[1] * x.shape[2], dtype=wide)
    if mask is not None:
        error = torch.where(mask[..., None], error, 0)
        count = mask.sum(1).to(wide) * x.shape[-1]
    loss = error.square().sum((1, 2)) / count.clamp_min(1)
    return loss if weight is None else weight.to(wide) * loss


def _wide(*tensors: Tensor) -> torch.dtype:
    return torch.float64 if any(a.dtype == torch.float64 for a in tensors) else torch.float32
