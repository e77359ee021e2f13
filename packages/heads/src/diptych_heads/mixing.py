"""The coefficients of a noise schedule at given times, ready to multiply tokens."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


def moments(t: float, count: int, *, like: Tensor) -> Tensor:
    """Return a time as a tensor `count`, in float32 or higher, whatever the type of a state.

    Half precision does not tell thousandths apart, and rounds what networks and schedules are told.
    """
    return like.new_full((count,), t, dtype=torch.promote_types(like.dtype, torch.float32))


class NoiseSchedule(Protocol):
    """What a built noise schedule offers; all functions are elementwise in t."""

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the target."""
        ...

    def sigma(self, t: Tensor) -> Tensor:
        """Share of noise."""
        ...

    def d_alpha(self, t: Tensor) -> Tensor:
        """Derivative of alpha."""
        ...

    def d_sigma(self, t: Tensor) -> Tensor:
        """Derivative of sigma."""
        ...


class Mixing(NamedTuple):
    """x = alpha * clean + sigma * noise and its time derivative, for one moment of each sample.

    A tuple, since compilers cannot trace the making of a frozen attrs object. Each coefficient
    broadcasts against the sample: `b 1 1` for tokens `b n c`.
    """

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor

    @classmethod
    def at(cls, schedule: NoiseSchedule, t: Tensor, *, dims: int) -> Mixing:
        """Evaluate a schedule at times `b` for samples with `dims` axes, the batch included."""
        t = t.reshape(-1, *[1] * (dims - 1))
        return cls(schedule.alpha(t), schedule.sigma(t), schedule.d_alpha(t), schedule.d_sigma(t))

    def mix(self, clean: Tensor, noise: Tensor) -> Tensor:
        """Noise a target."""
        return self.alpha * clean + self.sigma * noise
