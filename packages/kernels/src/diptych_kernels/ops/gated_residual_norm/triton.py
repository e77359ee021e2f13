# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementation: its registration with torch, its autograd, its function.

The launchers are registered as functional ops with fakes, so that ``torch.compile`` and
``torch.export`` see one opaque node; eager calls reach the launchers directly, which is quicker.
The gradient is an ``autograd.Function`` outside the ops.
"""

from typing import Any

import torch
from torch import Tensor

from diptych_kernels.ops.gated_residual_norm.launch import launch_backward, launch_forward
from diptych_kernels.registration import op_or_launcher, refuse_second_derivative


_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define(
    "gated_residual_norm_forward(Tensor x, Tensor y, Tensor? weight, Tensor? branch_weight, "
    "Tensor? gate, Tensor? scale, float eps) -> (Tensor, Tensor)"
)
_LIBRARY.define(
    "gated_residual_norm_backward(Tensor? grad_h, Tensor? grad_z, Tensor h, Tensor? y, "
    "ScalarType y_dtype, Tensor? weight, Tensor? branch_weight, Tensor? gate, Tensor? scale, "
    "float eps) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launchers work under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("gated_residual_norm_forward", launch_forward, _key)
    _LIBRARY.impl(
        "gated_residual_norm_backward", lambda *inputs: tuple(launch_backward(*inputs)), _key
    )


@torch.library.register_fake("diptych_kernels::gated_residual_norm_forward", lib=_LIBRARY)
def _forward_fake(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    branch_weight: Tensor | None,
    gate: Tensor | None,
    scale: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), y.new_empty(0 if weight is None else y.shape)


@torch.library.register_fake("diptych_kernels::gated_residual_norm_backward", lib=_LIBRARY)
def _backward_fake(
    grad_h: Tensor | None,
    grad_z: Tensor | None,
    h: Tensor,
    y: Tensor | None,
    y_dtype: torch.dtype,
    weight: Tensor | None,
    branch_weight: Tensor | None,
    gate: Tensor | None,
    scale: Tensor | None,
    eps: float,
) -> tuple[Tensor, ...]:
    same = branch_weight is None and gate is None and y_dtype == h.dtype
    grad_y = h.new_empty(0) if same else h.new_empty(h.shape, dtype=y_dtype)
    shared = [h.new_empty(0) if a is None else a.new_empty(a.shape) for a in (weight,
              branch_weight, gate, scale)]  # fmt: skip
    return h.new_empty(h.shape), grad_y, *shared


class _GatedResidualNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        weight: Tensor | None,
        branch_weight: Tensor | None,
        gate: Tensor | None,
        scale: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor]:
        """Keeps h instead of x, and y only where its gradient depends on it."""
        run = op_or_launcher("gated_residual_norm_forward", launch_forward)
        h, z = run(x, y, weight, branch_weight, gate, scale, eps)
        plain = branch_weight is None and gate is None
        ctx.save_for_backward(h, None if plain else y, weight, branch_weight, gate, scale)
        ctx.set_materialize_grads(False)
        ctx.eps, ctx.y_dtype, ctx.same = eps, y.dtype, plain and y.dtype == x.dtype
        return h, z

    @staticmethod
    def backward(
        ctx: Any, grad_h: Tensor | None, grad_z: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """One launch; the gradients are new tensors, and ``grad_h`` is never written to."""
        h, y, weight, branch_weight, gate, scale = ctx.saved_tensors
        grad_z = None if weight is None else grad_z  # traced, it is an empty tensor
        if grad_h is None and grad_z is None:
            return (None,) * 7
        refuse_second_derivative("gated_residual_norm")
        run = op_or_launcher("gated_residual_norm_backward", launch_backward)
        grad_x, grad_y, grad_weight, grad_branch_weight, grad_gate, grad_scale = run(
            grad_h, grad_z, h, y, ctx.y_dtype, weight, branch_weight, gate, scale, ctx.eps
        )
        return (
            grad_x,
            grad_x if ctx.same else grad_y,
            None if weight is None else grad_weight,
            None if branch_weight is None else grad_branch_weight,
            None if gate is None else grad_gate,
            None if scale is None else grad_scale,
            None,
        )


def gated_residual_norm_triton(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    branch_weight: Tensor | None = None,
    gate: Tensor | None = None,
    scale: Tensor | None = None,
    eps: float = 1e-6,
) -> tuple[Tensor, Tensor | None]:
    """As the reference, in one launch forward and one backward. Differentiable once."""
    h, z = _GatedResidualNorm.apply(x, y, weight, branch_weight, gate, scale, eps)
    return h, None if weight is None else z
