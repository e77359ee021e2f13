"""Positions of left-padded sequences."""

from __future__ import annotations

from torch import Tensor


def positions_of(mask: Tensor, length: int) -> Tensor:
    """Count positions of real tokens from 0, so that padding on the left changes nothing.

    mask [b s] (True = real, cached positions included) -> positions [b length] of the last `length` tokens
    """
    return (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -length:]
