"""A small network that denoises each token on its own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.errors import RequestError
from diptych_heads.networks.frame import Frame
from diptych_heads.networks.initial import initialise
from diptych_heads.networks.time_waves import WAVES, time_waves, wave_frequencies
from diptych_heads.networks.two_layers import TwoLayers


class MlpContext(NamedTuple):
    """What one call prepares from a condition; a tuple, which compilers can trace the making of.

    Attributes:
        embedded: the condition of each token `b n width`.
        frequencies: of the time's sinusoid, `f`.
    """

    embedded: Tensor
    frequencies: Tensor


class MlpBlock(nn.Module):
    """A residual MLP of two layers, modulated by time and condition; fresh, it is the identity."""

    def __init__(self, width: int) -> None:
        """Make the block."""
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = TwoLayers(width, width, width, nn.SiLU())
        self.modulation = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        """Map tokens `b n width` under the activated signal `b n width`."""
        shift, scale, gate = self.modulation(signal).chunk(3, dim=-1)
        return x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)


class MlpNetwork(nn.Module):
    """Predicts each token from that token, the time and the condition at its place alone.

    The denoiser of MAR (Li et al., arXiv 2406.11838, sec. 4.1): tokens know of each other only what
    the backbone's condition says. Condition token i belongs to target token i.
    """

    def __init__(self, frame: Frame, *, hidden_width: int, layers: int) -> None:
        """Make the network with fresh weights; the fields are those of the spec."""
        super().__init__()
        self.hidden_width = hidden_width
        self.embed = nn.Linear(frame.channels, hidden_width)
        self.embed_time = TwoLayers(WAVES, hidden_width, hidden_width, nn.SiLU())
        self.embed_condition = nn.Linear(frame.condition_width, hidden_width)
        self.blocks = nn.ModuleList(MlpBlock(hidden_width) for _ in range(layers))
        self.modulation = nn.Linear(hidden_width, 2 * hidden_width)
        self.to_output = nn.Linear(hidden_width, frame.channels)
        zeroed = [self.modulation, self.to_output]
        zeroed += [module.modulation for module in self.modules() if isinstance(module, MlpBlock)]
        initialise(self, time=self.embed_time, zeroed=zeroed)

    def prepare(self, condition: Tensor, mask: Tensor | None = None) -> MlpContext:
        """Compute what all steps of a call share.

        Args:
            condition: `b n condition_width`, one token a target token.
            mask: real tokens, bool `b n`; one that is not counts as zeros. None if all are.
        """
        if mask is not None:
            condition = condition * mask[..., None].to(condition.dtype)
        return MlpContext(self.embed_condition(condition), wave_frequencies(condition.device))

    def with_null(self, context: MlpContext, count: int) -> MlpContext:
        """Add `count` samples under the null condition, zeros, to the end of a context's batch."""
        weight = self.embed_condition.weight
        null = self.embed_condition(weight.new_zeros(1, 1, weight.shape[1]))
        embedded = context.embedded
        null = null.to(embedded.dtype).expand(count, embedded.shape[1], -1)
        return context._replace(embedded=torch.cat([embedded, null]))

    def forward(self, x: Tensor, t: Tensor, context: MlpContext) -> Tensor:
        """Predict.

        Args:
            x: noisy target `b channels h w`.
            t: times `b` in [0, 1], 1 is pure noise.
            context: what `prepare` returned.

        Returns:
            `b channels h w`.

        Raises:
            RequestError: if there are not as many condition tokens as target tokens.
        """
        tokens = self.embed(x.flatten(2).transpose(1, 2))
        if tokens.shape[1] != context.embedded.shape[1]:
            raise RequestError(
                f"the `mlp` network denoises each token under a condition token of its own, but "
                f"there are {context.embedded.shape[1]} of them for {tokens.shape[1]} target "
                "tokens; use as many latent queries as target tokens, or another network"
            )
        waves = time_waves(t, context.frequencies).to(tokens.dtype)
        signal = functional.silu(self.embed_time(waves)[:, None] + context.embedded)
        for block in self.blocks:
            tokens = block(tokens, signal)
        shift, scale = self.modulation(signal).chunk(2, dim=-1)
        tokens = functional.layer_norm(tokens, (self.hidden_width,), eps=1e-6) * (1 + scale) + shift
        return self.to_output(tokens).transpose(1, 2).reshape(x.shape)
