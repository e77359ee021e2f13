"""The diffusion head: flow matching's sampling, with the losses of diffusion models."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from diptych_heads.heads.flow_matching import FlowMatchingHead
from diptych_heads.mixing import Mixing
from diptych_heads.snr_weights import min_snr_weight


class DiffusionHead(FlowMatchingHead):
    """Predicts v, noise or the clean target; errors count by their signal-to-noise ratio.

    DDPM (Ho et al., arXiv 2006.11239) for `noise`, Salimans & Ho (arXiv 2202.00512) for `v`, with
    min-SNR-gamma weights (Hang et al., arXiv 2303.09556). What is learned is a velocity too, so
    that every sampler and guidance works as it does for flow matching.
    """

    def __init__(self, network: Any, *, snr_limit: float | None, **pieces: Any) -> None:
        """Put the pieces together.

        Args:
            network: the denoiser.
            snr_limit: gamma of the weights; None for the plain squared error.
            pieces: those of `FlowMatchingHead`.
        """
        super().__init__(network, loss_on="prediction", **pieces)
        self.snr_limit = snr_limit

    def error_weight(self, mixing: Mixing) -> Tensor | None:
        """Return what squared errors are multiplied by."""
        if self.snr_limit is None:
            return None
        return min_snr_weight(self.prediction, mixing, self.snr_limit)
