"""Modules that hold the parameters of an operation."""

import torch
from torch import Tensor, nn

from diptych_kernels.ops.gated_residual_norm import gated_residual_norm
from diptych_kernels.ops.qk_norm_rope import qk_norm_rope


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


class QkNormRope(nn.Module):
    """The weights, and for a norm of the row the biases, of :func:`diptych_kernels.qk_norm_rope`.

    ``q_weight`` and ``k_weight`` are ``d`` if the norm is of each head; if it is of the row they
    are ``(h d)`` and ``(g d)``, and so are ``q_bias`` and ``k_bias``.
    """

    q_weight: nn.Parameter
    k_weight: nn.Parameter
    q_bias: nn.Parameter | None
    k_bias: nn.Parameter | None

    def __init__(
        self,
        heads: int,
        kv_heads: int,
        width: int,
        *,
        norm: str = "head",
        pairs: str = "halves",
        eps: float = 1e-6,
        implementation: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Creates weights of ones and biases of zeros.

        Args:
            heads: Of queries, ``h``.
            kv_heads: Of keys, ``g``.
            width: Of a head, ``d``.
            norm: ``head``, an RMSNorm of each head; ``row``, a LayerNorm of all heads together.
            pairs: ``halves`` or ``adjacent``, as in the function.
            eps: Added to the mean square or to the variance.
            implementation: As in the function.
            device: Where the parameters go.
            dtype: Of the parameters.

        Raises:
            ValueError: If there is no such norm.
        """
        super().__init__()
        if norm not in ("head", "row"):
            raise ValueError(f"QkNormRope: norm must be one of head, row, got {norm!r}")
        self.norm, self.pairs, self.eps, self.implementation = norm, pairs, eps, implementation
        for name, count in (("q", heads), ("k", kv_heads)):
            shape = (width if norm == "head" else count * width,)
            weight = nn.Parameter(torch.ones(shape, device=device, dtype=dtype))
            bias = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype))
            self.register_parameter(f"{name}_weight", weight)
            self.register_parameter(f"{name}_bias", bias if norm == "row" else None)

    def forward(self, q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Returns q ``b n h d`` and k ``b n g d``, normalised and turned."""
        return qk_norm_rope(
            q,
            k,
            cos,
            sin,
            q_weight=self.q_weight,
            k_weight=self.k_weight,
            q_bias=self.q_bias,
            k_bias=self.k_bias,
            norm=self.norm,
            pairs=self.pairs,
            eps=self.eps,
            implementation=self.implementation,
        )

    def extra_repr(self) -> str:
        """Which norm and pairs."""
        return f"norm={self.norm}, pairs={self.pairs}, eps={self.eps}"
