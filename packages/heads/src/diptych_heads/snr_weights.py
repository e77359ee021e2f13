"""The weight of min-SNR-gamma."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor

from diptych_heads.mixing import Mixing
from diptych_heads.predictions import Prediction


def min_snr_weight(kind: Prediction, mixing: Mixing, limit: float) -> Tensor:
    """Compute by what factor a squared error counts as min(SNR, limit) times one of the target.

    With SNR = alpha^2 / sigma^2 (Hang et al., arXiv 2303.09556, sec. 3.4): min(SNR, limit) for
    `clean`, min(1, limit / SNR) for `noise`, min(SNR, limit) / (SNR + 1) for `v` where alpha^2 +
    sigma^2 = 1. The forms below hold for any schedule and stay finite at both ends. At pure noise
    (SNR = 0) the weight of all but `noise` is 0.

    Returns:
        Broadcasts against the samples, as the coefficients do.
    """
    alpha, sigma = mixing.alpha.square(), mixing.sigma.square()
    # sigma^2 min(SNR, limit)
    least = torch.minimum(alpha, limit * sigma)
    match kind:
        case "clean":
            return least / sigma.clamp(min=1e-12)
        case "noise":
            return torch.where(alpha <= limit * sigma, 1, limit * sigma / alpha)
        case "v":
            return least / (alpha + sigma).square()
        case "velocity":
            steepness = mixing.alpha * mixing.d_sigma - mixing.sigma * mixing.d_alpha
            return least / steepness.square()
        case _:
            assert_never(kind)
