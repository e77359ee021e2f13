"""Starting values of a learned position table."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


def init_positions(table: Tensor, how: float | Literal["sin-cos"], *, grid: int) -> None:
    """Fill a position table in place.

    A small normal draw leaves a small model from scratch at chance on questions of place for hundreds of steps; with
    the sin-cos table it starts at once (measured: see the package's README).

    Args:
        table: `[n d]`, one row a token; the last grid * grid rows are the row-major grid, rows before it belong to
            extra tokens.
        how: std of a normal draw, or `sin-cos` for the 2-D table of MAE (extra tokens get zeros); d must then be
            a multiple of 4.
        grid: patches along a side.
    """
    with torch.no_grad():
        if how == "sin-cos":
            table.zero_()
            table[-grid * grid :].copy_(sin_cos_grid(grid, table.shape[1]))
        else:
            nn.init.normal_(table, std=how)


def sin_cos_grid(grid: int, width: int) -> Tensor:
    """Make the fixed 2-D position table of MAE (He et al. 2021).

    Args:
        grid: positions along a side.
        width: d, a multiple of 4; the first half tells the column, the second the row.

    Returns:
        `[(grid grid) d]` row-major, float32, in [-1, 1], mean square 1/2.
    """
    quarter = width // 4
    rates = 10_000.0 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns = line[None].expand(grid, grid, -1)
    rows = line[:, None].expand(grid, grid, -1)
    return torch.cat([columns, rows], dim=2).reshape(grid * grid, width).float()
