"""Randomness that belongs to a sample, not to a batch: the same seed gives the same picture, alone or among others."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Generator, Tensor


def generators(seeds: Sequence[int], purpose: str = "") -> list[Generator]:
    """Make one CPU generator a sample, so that results do not depend on the device or on the batch.

    Generators for another `purpose` draw numbers that have nothing to do with those of the same seed without one.
    """
    return [Generator().manual_seed(_mixed(seed, purpose) if purpose else seed) for seed in seeds]


def _mixed(seed: int, purpose: str) -> int:
    return int.from_bytes(blake2b(f"{purpose} {seed}".encode(), digest_size=7).digest(), "big")


def noise(shape: Sequence[int], own: Sequence[Generator], *, like: Tensor) -> Tensor:
    """Draw standard normal noise `[b *shape]`, row i from generator i, with dtype and device of `like`.

    Numbers are drawn in float32 on the CPU and converted, so that float64 runs see the same noise.
    """
    rows = [torch.randn(tuple(shape), generator=each, device="cpu") for each in own]
    return torch.stack(rows).to(like)
