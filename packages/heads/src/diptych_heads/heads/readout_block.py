"""A pre-norm transformer block that reads a condition."""

from __future__ import annotations

from torch import Tensor, nn

from diptych_heads.networks.attention import attend


class ReadoutBlock(nn.Module):
    """Cross-attention to a condition, self-attention, MLP; pre-norm (arXiv 2002.04745)."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        """Make the block."""
        super().__init__()
        self.head_width = width // heads
        self.cross_norm = nn.LayerNorm(width)
        self.cross_q = nn.Linear(width, width)
        self.cross_kv = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.self_norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width)
        )

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """Map tokens `b n width` under a condition `b q width`; mask is bool `b q` or None."""
        (queries,) = self._heads(self.cross_q(self.cross_norm(x)), 1)
        keys, values = self._heads(self.cross_kv(context), 2)
        x = x + self.cross_out(attend(queries, keys, values, mask).flatten(-2))
        queries, keys, values = self._heads(self.to_qkv(self.self_norm(x)), 3)
        x = x + self.to_out(attend(queries, keys, values).flatten(-2))
        return x + self.mlp(x)

    def _heads(self, x: Tensor, count: int) -> tuple[Tensor, ...]:
        return tuple(each.unflatten(-1, (-1, self.head_width)) for each in x.chunk(count, dim=-1))
