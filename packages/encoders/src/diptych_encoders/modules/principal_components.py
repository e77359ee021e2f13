"""Principal components of targets, whitened."""

from __future__ import annotations

import torch
from torch import Tensor

from diptych.precision import at_least_float32, without_autocast
from diptych_encoders.modules.fitted import FittedNormaliser


class PrincipalComponentNormaliser(FittedNormaliser):
    """`(x - mean) @ components.T / scale`: rotate into the principal axes, drop the smallest, even out the rest."""

    mean: Tensor
    components: Tensor
    scale: Tensor
    variance_kept: Tensor
    cross = True

    def __init__(self, channels: int, *, kept: int, whiten: float = 1.0, floor: float = 1e-6) -> None:
        """Start unfitted.

        Args:
            channels: c of the targets.
            kept: k, the components that stay, at most c.
            whiten: in [0, 1]; component i is divided by (variance i) ** (whiten / 2), and all by one number more
                so that their mean variance is 1.
            floor: smallest variance used in that, as a fraction of the largest.
        """
        super().__init__(channels)
        self.kept, self.whiten, self.floor = kept, whiten, floor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("components", torch.eye(kept, channels))
        self.register_buffer("scale", torch.ones(kept))
        self.register_buffer("variance_kept", torch.zeros(()))

    def set_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Decompose the covariance `[c c]`; the sign of a component makes its largest entry positive."""
        values, vectors = torch.linalg.eigh(variance)
        values = values.flip(0).clamp(min=0)
        components = vectors.flip(1).T[: self.kept]
        largest = components.gather(1, components.abs().argmax(1, keepdim=True))
        top = values[: self.kept]
        floored = top.clamp(min=self.floor * float(top[0]))
        scale = floored.pow(self.whiten / 2)
        even = (top / scale.square()).mean().sqrt()
        flat = not top[0] > 0  # all vectors are one: there is nothing to scale
        self.mean.copy_(mean)
        self.components.copy_(components * largest.sign())
        self.scale.copy_(torch.ones_like(scale) if flat else scale * even)
        self.variance_kept.fill_(1.0 if flat else float(top.sum() / values.sum()))

    def forward(self, target: Tensor) -> Tensor:
        """Normalise `[b n c]` to `[b n k]`, largest component first.

        Sums are in float32 or higher, in a trainer's autocast too: small components are differences of large numbers.

        Raises:
            RequestError: if it was not fitted.
        """
        self.check_fitted()
        centred = at_least_float32(target) - self.mean
        with without_autocast(centred):
            rotated = centred @ self.components.to(centred.dtype).T
        return (rotated / self.scale).to(target.dtype)

    def inverse(self, normalised: Tensor) -> Tensor:
        """Reconstruct `[b n c]` from `[b n k]`: exactly what was kept, the mean for what was dropped.

        `variance_kept` is the share of the variance that survives, in [0, 1].

        Raises:
            RequestError: if it was not fitted.
        """
        self.check_fitted()
        wide = at_least_float32(normalised) * self.scale
        with without_autocast(wide):
            turned = wide @ self.components.to(wide.dtype)
        return (turned + self.mean).to(normalised.dtype)
