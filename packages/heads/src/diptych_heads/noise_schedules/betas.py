"""The schedules of DDPM and Stable Diffusion, which are tables, at any time between their steps."""

from __future__ import annotations

import math
from typing import Literal, Self

import torch
from attrs import frozen
from torch import Tensor


Spacing = Literal["linear", "square"]


@frozen(eq=False)
class BetaSchedule:
    """alpha^2 = product of (1 - beta_i), sigma^2 = 1 - alpha^2, with betas between two ends.

    Time t stands for step `t * steps` of the table; at whole steps alpha is the table's (Ho et
    al., arXiv 2006.11239), between them log alpha^2 is the cubic through the steps around, so that
    there is a derivative. Its slopes are held within three times the steps beside them (Fritsch &
    Carlson 1980), so that it never rises, however steeply the betas do. `square` spaces the roots
    of the betas evenly (Rombach et al., arXiv 2112.10752). Published tables end at a little target,
    alpha(1) = 0.006 or 0.07, which a sampler that starts from pure noise has never seen;
    `zero_terminal` moves and stretches alpha so that it ends at 0 (Lin et al., arXiv 2305.08891,
    alg. 1). sigma rises like sqrt(t), so that its derivative has no bound at t = 0. All functions
    take and return tensors of any shape, t in [0, 1].

    Attributes:
        table: log alpha^2 and its slope a step, at steps 0..steps, float64 `(steps + 1) 2`.
        lost: 1 - alpha of the last step, which is stretched to 1; 1 if nothing is stretched.
    """

    table: Tensor
    lost: float

    @classmethod
    def between(
        cls, spacing: Spacing, start: float, end: float, steps: int, *, zero_terminal: bool
    ) -> Self:
        """Make the table of `steps` betas from `start` to `end`."""
        with torch.device("cpu"):
            if spacing == "linear":
                betas = torch.linspace(start, end, steps, dtype=torch.float64)
            else:
                betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64).square()
            first = torch.zeros(1, dtype=torch.float64)
            values = torch.cat([first, torch.log1p(-betas).cumsum(0)])
            (slopes,) = torch.gradient(values, edge_order=2)
            steepest = 3 * values.diff()[[0, *range(steps), -1]].unfold(0, 2, 1).amax(-1)
            slopes = slopes.clamp(max=0).maximum(steepest)
            lost = -math.expm1(float(values[-1]) / 2) if zero_terminal else 1.0
        return cls(torch.stack([values, slopes], dim=-1), lost)

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the target."""
        log, _ = self._log_power(t)
        return self._alpha(log).to(t.dtype)

    def sigma(self, t: Tensor) -> Tensor:
        """Share of noise."""
        log, _ = self._log_power(t)
        return self._sigma(log).to(t.dtype)

    def d_alpha(self, t: Tensor) -> Tensor:
        """Compute the derivative of alpha with respect to t."""
        return self._d_alpha(*self._log_power(t)).to(t.dtype)

    def d_sigma(self, t: Tensor) -> Tensor:
        """Compute the derivative of sigma with respect to t, as if t were at least 1e-6."""
        log, slope = self._log_power(t.double().clamp(min=1e-6))
        return (-self._alpha(log) * self._d_alpha(log, slope) / self._sigma(log)).to(t.dtype)

    def _alpha(self, log: Tensor) -> Tensor:
        return torch.exp(log / 2) if self.lost == 1 else (1 - self._gone(log)).clamp(min=0)

    def _sigma(self, log: Tensor) -> Tensor:
        gone = self._gone(log)  # not 1 - alpha, which rounds away what is small at early times
        return torch.sqrt(gone * (2 - gone))

    def _d_alpha(self, log: Tensor, slope: Tensor) -> Tensor:
        return torch.exp(log / 2) * slope / 2 / self.lost

    def _gone(self, log: Tensor) -> Tensor:
        """Compute 1 - alpha."""
        return torch.expm1(log / 2).abs() / self.lost

    def _log_power(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolate log alpha^2 by cubics: -> value and derivative with respect to t, float64."""
        table, steps = self.table.to(t.device), len(self.table) - 1
        place = t.double() * steps
        index = place.floor().clamp(0, steps - 1)
        u = place - index
        left, right = table[index.long()], table[index.long() + 1]
        (y0, m0), (y1, m1) = left.unbind(-1), right.unbind(-1)
        a, b = 2 * (y0 - y1) + m0 + m1, 3 * (y1 - y0) - 2 * m0 - m1
        value = ((a * u + b) * u + m0) * u + y0
        return value, ((3 * a * u + 2 * b) * u + m0) * steps
