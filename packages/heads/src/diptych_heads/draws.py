"""Random numbers of training, from a given generator, for a given tensor."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def normal_like(x: Tensor, generator: Generator) -> Tensor:
    """Draw standard normal numbers in the shape, dtype and device of x.

    Numbers are drawn in float32 on the generator's device, so that dtype and device of a run do not
    change them.
    """
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)


def uniform(count: int, generator: Generator, *, like: Tensor) -> Tensor:
    """Draw `count` numbers from [0, 1), in float32, then in the dtype and device of `like`."""
    return torch.rand(count, generator=generator, device=generator.device).to(like)
