"""Rotary positions on a grid, as EVA-02 has them."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_grid(grid: int, width: int, reference: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Make the cosines and sines of all places of a grid.

    The first half of a head's channels turns with the row, the second with the column. A grid that is finer than the
    one of pre-training is laid over the same range of angles (Su et al. 2021; EVA-02's `intp_freq`).

    Args:
        grid: places along a side.
        width: channels of a head, a multiple of 4.
        reference: places along a side in pre-training; place i turns by i * reference / grid.
        like: gives dtype and device; angles are computed in float64.

    Returns:
        Twice `[(grid grid) width]`, row-major; each angle stands twice, for the two channels of a pair.
    """
    pairs = width // 4
    rates = 10_000.0 ** -(torch.arange(pairs, dtype=torch.float64, device=like.device) / pairs)
    places = torch.arange(grid, dtype=torch.float64, device=like.device) * (reference / grid)
    line = torch.outer(places, rates).repeat_interleave(2, dim=1)
    rows = line[:, None].expand(grid, grid, -1)
    columns = line[None].expand(grid, grid, -1)
    angles = torch.cat([rows, columns], dim=2).reshape(grid * grid, width)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate_pairs(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn adjacent pairs of channels: `[... n d]` by the angles of `[n d]`."""
    first, second = vectors.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([-second, first], dim=-1).flatten(-2)
    return vectors * cosines + turned * sines
