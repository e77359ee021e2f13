"""The public function ``gated_residual_norm`` and its implementations in order of preference."""

import math
from collections.abc import Callable
from typing import Any, overload

from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import usual
from diptych_kernels.ops.gated_residual_norm.arguments import LONGEST_ROW, NAME, check
from diptych_kernels.ops.gated_residual_norm.reference import gated_residual_norm_reference
from diptych_kernels.situation import Situation


@overload
def gated_residual_norm(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    *,
    branch_weight: Tensor | None = ...,
    gate: Tensor | None = ...,
    scale: Tensor | None = ...,
    eps: float = ...,
    implementation: str | None = ...,
) -> tuple[Tensor, Tensor]: ...
@overload
def gated_residual_norm(
    x: Tensor,
    y: Tensor,
    weight: None,
    *,
    branch_weight: Tensor | None = ...,
    gate: Tensor | None = ...,
    scale: None = ...,
    eps: float = ...,
    implementation: str | None = ...,
) -> tuple[Tensor, None]: ...
def gated_residual_norm(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    *,
    branch_weight: Tensor | None = None,
    gate: Tensor | None = None,
    scale: Tensor | None = None,
    eps: float = 1e-6,
    implementation: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Adds a gated, normalised branch to the residual stream and normalises the sum.

        h = x + tanh(gate) * RMSNorm(y) * branch_weight
        z = RMSNorm(h) * weight * (1 + scale)

    The exact definition, with dtypes and rounding, is the docstring of
    :func:`diptych_kernels.ops.gated_residual_norm.reference.gated_residual_norm_reference`.

    Args:
        x: Residual stream, ``b ... d``.
        y: Output of the branch (attention or feed-forward), ``b ... d``.
        weight: Weight of the second norm, ``d``; None leaves that norm out.
        branch_weight: Weight of the norm on the branch, ``d``; None adds the branch un-normed.
        gate: For each sample, ``b d``; None leaves the branch ungated.
        scale: Modulation for each sample, ``b d``; None leaves the second norm unmodulated.
        eps: Added to the mean square in both norms.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        The new residual stream h, in the dtype of x, and the input z of the next branch, in the
        dtype of y, or None without a weight; both ``b ... d``.

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape or a device does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check(x, y, weight, branch_weight, gate, scale, eps)
    tensors = (x, y, weight, branch_weight, gate, scale)
    situation = Situation.of(*tensors, width=x.shape[-1])
    run = OPERATION.resolve(requested(implementation), situation)
    shape = x.shape
    if x.dim() != 3:
        tokens = math.prod(shape[1:-1])
        x = x.reshape(shape[0], tokens, shape[-1])
        y = y.reshape(shape[0], tokens, shape[-1])
    h, z = run(x, y, weight, branch_weight, gate, scale, float(eps))
    if len(shape) == 3:
        return h, z
    return h.reshape(shape), None if z is None else z.reshape(shape)


def _load_triton() -> Callable[..., Any]:
    from diptych_kernels.ops.gated_residual_norm.triton import gated_residual_norm_triton

    return gated_residual_norm_triton


def _row_too_long(situation: Situation) -> str | None:
    if situation.width is not None and situation.width > LONGEST_ROW:
        return f"a row of {situation.width} elements is longer than the kernels' {LONGEST_ROW}"
    return None


OPERATION = register(
    Operation(NAME, usual(gated_residual_norm_reference, _load_triton, limit=_row_too_long))
)
