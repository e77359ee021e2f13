"""What is done with a tile of logits, in torch's own operations: for any device and float64."""

import torch
from torch import Tensor


def fold(logits: Tensor, labels: Tensor, state: Tensor, start: int, soft_cap: float) -> None:
    """Adds a tile ``n c`` to the state ``n 4``, in place; may write to the tile."""
    if soft_cap > 0:
        logits.div_(soft_cap).tanh_().mul_(soft_cap)
    maximum, total, picked, every = state.unbind(1)
    label = labels.long() - start
    there = (label >= 0) & (label < logits.shape[1])
    found = logits.gather(1, torch.where(there, label, 0)[:, None])[:, 0]
    picked += torch.where(there, found, 0.0)
    every += logits.sum(1)
    larger = torch.maximum(maximum, logits.amax(1))
    shift = torch.where(larger.isinf(), 0.0, larger)
    total *= torch.where(maximum == larger, 1.0, (maximum - shift).exp())
    total += logits.sub_(shift[:, None]).exp_().sum(1)
    maximum.copy_(larger)


def gradient(
    logits: Tensor,
    labels: Tensor,
    lse: Tensor,
    grad: Tensor,
    start: int,
    soft_cap: float,
    z_loss: float,
    at_label: float,
    at_every: float,
    dtype: torch.dtype,
) -> Tensor:
    """Returns the gradient of a tile of logits, ``n c`` in ``dtype``; may write to the tile."""
    slope = None
    if soft_cap > 0:
        logits.div_(soft_cap).tanh_()
        slope = 1 - logits.square()
        logits.mul_(soft_cap)
    label = labels.long() - start
    there = (label >= 0) & (label < logits.shape[1])
    found = logits.sub_(lse[:, None]).exp_().mul_((1 + 2 * z_loss * lse)[:, None]).sub_(at_every)
    at = torch.where(there, label, 0)[:, None]
    found.scatter_add_(1, at, (there.to(found.dtype) * -at_label)[:, None])
    found.mul_(grad[:, None])
    return (found if slope is None else found.mul_(slope)).to(dtype)
