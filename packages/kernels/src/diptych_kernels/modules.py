"""Modules that hold the parameters of an operation."""

import torch
from torch import Tensor, nn

from diptych_kernels.ops.gated_residual_norm import gated_residual_norm


class GatedResidualNorm(nn.Module):
    """The two norm weights of :func:`diptych_kernels.gated_residual_norm`.

    ``weight`` belongs to the norm that the next branch reads, ``branch_weight`` to the norm on
    the branch's own output; both ``d``. Gate and scale are computed elsewhere, from a condition.
    """

    def __init__(
        self,
        width: int,
        *,
        branch_norm: bool = True,
        eps: float = 1e-6,
        implementation: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Creates weights of ones.

        Args:
            width: Length of a row, ``d``.
            branch_norm: Whether the branch is normalised before it is added.
            eps: Added to the mean square in both norms.
            implementation: As in the function.
            device: Where the weights go.
            dtype: Of the weights.
        """
        super().__init__()
        self.eps = eps
        self.implementation = implementation
        self.weight = nn.Parameter(torch.ones(width, device=device, dtype=dtype))
        self.branch_weight = (
            nn.Parameter(torch.ones(width, device=device, dtype=dtype)) if branch_norm else None
        )

    def forward(
        self, x: Tensor, y: Tensor, gate: Tensor | None = None, scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns the residual stream h and the next branch's input z, both ``b ... d``."""
        return gated_residual_norm(
            x,
            y,
            self.weight,
            branch_weight=self.branch_weight,
            gate=gate,
            scale=scale,
            eps=self.eps,
            implementation=self.implementation,
        )

    def extra_repr(self) -> str:
        """Width, and what is not as usual."""
        branch = "" if self.branch_weight is not None else ", branch_norm=False"
        return f"{self.weight.shape[0]}, eps={self.eps}{branch}"
