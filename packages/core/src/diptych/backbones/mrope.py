"""Positions on three axes: time, rows and columns (M-RoPE, Qwen2-VL, arXiv 2409.12191, 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


Span = tuple[int, int, int]
"""Row of the batch, first position and number of positions of a picture."""


def mrope_positions(mask: Tensor, spans: Sequence[Span], grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Count positions of left-padded sequences with pictures in them.

    Text counts on all three axes alike. A picture stands at one moment; its tokens count rows and columns from there,
    and what follows goes on after the larger of both.

    Args:
        mask: real tokens, bool [b s].
        spans: where pictures are.
        grid: rows and columns of tokens of each picture.

    Returns:
        Positions [3 b s], and how many fewer than its tokens each sequence has used [b], for what is appended later.
    """
    rows, columns = grid
    saved = torch.zeros(mask.shape[0], mask.shape[1] + 1, dtype=torch.long, device=mask.device)
    for row, start, length in spans:
        saved[row, start + length] += length - max(rows, columns)
    plain = (mask.long().cumsum(-1) - 1).clamp(min=0) - saved[:, :-1].cumsum(-1)
    positions = plain.expand(3, -1, -1).clone()
    places = torch.arange(rows * columns, device=mask.device)
    for row, start, length in spans:
        here = plain[row, start]
        positions[0, row, start : start + length] = here
        positions[1, row, start : start + length] = here + places // columns
        positions[2, row, start : start + length] = here + places % columns
    return positions, saved.sum(-1)
