"""From the features of a picture to one vector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from diptych_heads.networks.attention import attend


if TYPE_CHECKING:
    from diptych.spec.part import PartSpec


def feature_sizes(part: PartSpec) -> tuple[int, int]:
    """Return how many features an encoder gives, and how wide they are, from its spec's port."""
    _, *terms = part.ports().outputs["features"].terms()
    names = [(term,) if isinstance(term, str) else term for term in terms]
    tokens, channels = (
        math.prod(int(name) if name.isdigit() else getattr(part, name) for name in group)
        for group in names
    )
    return tokens, channels


class MeanPooling(nn.Module):
    """LayerNorm, then the mean over tokens."""

    def __init__(self, width: int) -> None:
        """Make the norm."""
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Map `b n width -> b width`."""
        return self.norm(features).mean(dim=1)


class AttentionPooling(nn.Module):
    """A learned query attends to the tokens (as SigLIP and CoCa pool, arXiv 2205.01917)."""

    def __init__(self, width: int, head_width: int = 64) -> None:
        """Make the query; heads are `head_width` wide where that divides the width, else one."""
        super().__init__()
        self.head_width = head_width if width % head_width == 0 else width
        self.norm = nn.LayerNorm(width)
        self.query = nn.Parameter(torch.randn(width))
        self.to_kv = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map `b n width -> b width`."""
        keys, values = self.to_kv(self.norm(features)).chunk(2, dim=-1)
        query = self.query.to(keys.dtype).expand(len(features), 1, -1)
        heads = (each.unflatten(-1, (-1, self.head_width)) for each in (query, keys, values))
        return self.to_out(attend(*heads).flatten(-2)[:, 0])
