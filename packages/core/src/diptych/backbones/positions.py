"""Positions in padded sequences, and what each may see."""

from __future__ import annotations

import torch
from torch import Tensor


def positions_of(mask: Tensor, length: int) -> Tensor:
    """Count positions from the first real token on, so that padding on the left changes nothing.

    mask [b s] (True = real, cached positions included) -> positions [b length] of the last `length` tokens
    """
    steps = torch.arange(mask.shape[1], device=mask.device)
    return (steps - mask.long().argmax(-1, keepdim=True)).clamp(min=0)[:, -length:]


def visible(mask: Tensor, length: int) -> Tensor:
    """Say what each of the last `length` positions may attend to: itself and all real positions before it.

    mask [b s] (True = real, cached positions included) -> [b 1 length s], bool

    Padding on the left sees itself alone: with nothing to see, its row would be NaN. The mask is always made, even
    where nothing is padded, so that a sample takes the same way through the kernels alone and in a batch.
    """
    total = mask.shape[1]
    steps = torch.arange(total, device=mask.device)
    own = steps[total - length :, None]
    seen = (steps <= own)[None] & mask[:, None, :]
    return (seen | ((steps == own)[None] & ~seen.any(-1, keepdim=True)))[:, None]
