"""One block of Lumina-Next as BLIP3-o uses it, and the projections of its two attentions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych_heads.networks.attention import attend
from diptych_heads.networks.norms import RmsNorm
from diptych_heads.networks.positions import rotate


class AttentionProjections(nn.Module):
    """Queries, keys and values without biases; queries and keys normalised over all heads."""

    def __init__(
        self, width: int, heads: int, kv_heads: int, *, qk_norm: bool, output: bool
    ) -> None:
        """Make the projections; only one attention of a block has the `output` projection."""
        super().__init__()
        self.head_width = width // heads
        kv_width = kv_heads * self.head_width
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, kv_width, bias=False)
        self.to_v = nn.Linear(width, kv_width, bias=False)
        self.norm_q = nn.LayerNorm(width, eps=1e-5) if qk_norm else nn.Identity()
        self.norm_k = nn.LayerNorm(kv_width, eps=1e-5) if qk_norm else nn.Identity()
        if output:
            self.to_out = nn.ModuleList([nn.Linear(width, width, bias=False)])

    def queries(self, x: Tensor) -> Tensor:
        """Project `b n width -> b n heads d`."""
        return self.norm_q(self.to_q(x)).unflatten(-1, (-1, self.head_width))

    def keys(self, x: Tensor) -> Tensor:
        """Project `b n width -> b n kv_heads d`."""
        return self.norm_k(self.to_k(x)).unflatten(-1, (-1, self.head_width))

    def values(self, x: Tensor) -> Tensor:
        """Project `b n width -> b n kv_heads d`."""
        return self.to_v(x).unflatten(-1, (-1, self.head_width))


class GatedFeedForward(nn.Module):
    """SwiGLU without biases (Shazeer, arXiv 2002.05202)."""

    def __init__(self, width: int, inner: int) -> None:
        """Make the three projections."""
        super().__init__()
        self.linear_1 = nn.Linear(width, inner, bias=False)
        self.linear_2 = nn.Linear(inner, width, bias=False)
        self.linear_3 = nn.Linear(width, inner, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `... width -> ... width`."""
        return self.linear_2(functional.silu(self.linear_1(x)) * self.linear_3(x))


class ModulatedNorm(nn.Module):
    """RMSNorm scaled by the time embedding; also gives the other modulations of the block."""

    def __init__(self, width: int, time_width: int, eps: float) -> None:
        """Make the norm and the map from the time embedding."""
        super().__init__()
        self.linear = nn.Linear(time_width, 4 * width)
        self.norm = RmsNorm(width, eps=eps)

    def forward(self, x: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalise x `b n width` under the time embedding `b time_width`.

        Returns:
            The scaled norm `b n width`; the attention's gate, the feed-forward's scale and its
            gate, `b 1 width`.
        """
        modulation = self.linear(functional.silu(time))[:, None]
        scale, gate, ffn_scale, ffn_gate = modulation.chunk(4, dim=-1)
        return self.norm(x, 1 + scale), gate, ffn_scale, ffn_gate


class LuminaNextBlock(nn.Module):
    """Parallel self- and cross-attention on one modulated input, sandwich norms, tanh gates.

    The order of operations, the names of the parameters and their epsilons are those of the BLIP3-o
    checkpoints (arXiv 2505.09568; Lumina-Next, arXiv 2406.18583).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        ffn_width: int,
        time_width: int,
        *,
        qk_norm: bool,
        eps: float,
    ) -> None:
        """Make the block; `gate` holds one number a head."""
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(heads))
        self.attn1 = AttentionProjections(width, heads, kv_heads, qk_norm=qk_norm, output=False)
        self.attn2 = AttentionProjections(width, heads, kv_heads, qk_norm=qk_norm, output=True)
        self.feed_forward = GatedFeedForward(width, ffn_width)
        self.norm1 = ModulatedNorm(width, time_width, eps)
        self.norm2 = RmsNorm(width, eps=eps)
        self.ffn_norm1 = RmsNorm(width, eps=eps)
        self.ffn_norm2 = RmsNorm(width, eps=eps)
        self.norm1_context = RmsNorm(width, eps=eps)

    def prepare(self, caption: Tensor) -> tuple[Tensor, Tensor]:
        """Compute keys and values `b q kv_heads d`, no positions, of the caption `b q width`."""
        context = self.norm1_context(caption)
        return self.attn2.keys(context), self.attn2.values(context)

    def prepare_null(self, caption: Tensor) -> Tensor:
        """Compute what cross-attention finds in a caption that repeats one token, `1 1 width`.

        Whatever the weights of a mean of equal values are, it is that value: no queries, no keys.

        Returns:
            `1 1 heads d`.
        """
        values = self.attn2.values(self.norm1_context(caption))
        return values.repeat_interleave(len(self.gate) // values.shape[2], dim=2)

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        rope: Tensor,
        context: tuple[Tensor, Tensor],
        mask: Tensor | None,
        null: Tensor | None = None,
    ) -> Tensor:
        """Run the block.

        Args:
            x: tokens `b n width`.
            time: time and pooled condition `b time_width`.
            rope: cosines and sines `2 n d/2`.
            context: what `prepare` returned, for the first samples or all.
            mask: real tokens of the condition, bool `b q`, or None.
            null: what `prepare_null` returned, for the samples that `context` is not for.

        Returns:
            `b n width`.
        """
        inner, gate, ffn_scale, ffn_gate = self.norm1(x, time)
        queries = rotate(self.attn1.queries(inner), rope)
        keys = rotate(self.attn1.keys(inner), rope)
        own = attend(queries, keys, self.attn1.values(inner))
        share, count = torch.tanh(self.gate)[:, None], len(context[0])
        cross = attend(rotate(self.attn2.queries(inner[:count]), rope), *context, mask)
        mixed = own[:count] + share * cross
        if null is not None:
            mixed = torch.cat([mixed, own[count:] + share * null])
        mixed = self.attn2.to_out[0](mixed.flatten(-2))
        x = x + self.norm2(mixed, torch.tanh(gate))
        inner = self.ffn_norm1(x, 1 + ffn_scale)
        return x + self.ffn_norm2(self.feed_forward(inner), torch.tanh(ffn_gate))
