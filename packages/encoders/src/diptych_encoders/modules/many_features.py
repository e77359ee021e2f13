"""Features of pictures of different sizes, together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@frozen(eq=False)
class ManyFeatures:
    """Features of pictures of different sizes, padded to the longest.

    Attributes:
        features: `[b n d]`, each picture's row-major grid first; what follows it is zeros.
        mask: `[b n]`, True where a feature is real.
        grids: height and width of each picture's grid.
    """

    features: Tensor
    mask: Tensor
    grids: tuple[tuple[int, int], ...]


def pack(rows: Sequence[Tensor], grids: Sequence[tuple[int, int]]) -> ManyFeatures:
    """Pad features `[n d]` of several pictures, and remember which are real."""
    features = pad_sequence(list(rows), batch_first=True)
    counts = torch.tensor([len(each) for each in rows], device=features.device)
    mask = torch.arange(features.shape[1], device=features.device) < counts[:, None]
    return ManyFeatures(features, mask, tuple(grids))
