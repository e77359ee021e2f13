"""The time as networks see it: waves of 256 numbers, on DDPM's range of 0 to 1000."""

from __future__ import annotations

import torch
from torch import Tensor

from diptych_heads.networks.positions import sinusoid, sinusoid_frequencies


WAVES = 256
_RANGE = 1000


def wave_frequencies(device: torch.device) -> Tensor:
    """Compute the frequencies that `time_waves` needs, `128`; the same for every call."""
    return sinusoid_frequencies(WAVES, device=device)


def time_waves(t: Tensor, frequencies: Tensor) -> Tensor:
    """Embed times `b` in [0, 1]: -> `b 256`, float32."""
    return sinusoid(t * _RANGE, frequencies)


def cut_to_thousandths(t: Tensor) -> Tensor:
    """Cut times `b` in [0, 1] to thousandths; what rounding put just below one counts as it."""
    return (t.double() * _RANGE + 1e-3).floor() / _RANGE
