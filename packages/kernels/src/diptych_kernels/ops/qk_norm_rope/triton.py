# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementation: its registration with torch, its autograd, its function.

As everywhere here: functional ops with fakes for ``torch.compile`` and ``torch.export``, launchers
called directly in eager mode, and an ``autograd.Function`` outside the ops.
"""

from typing import Any

import torch
from torch import Tensor

from diptych_kernels.ops.qk_norm_rope.launch import launch_backward, launch_forward
from diptych_kernels.registration import op_or_launcher, refuse_second_derivative


_ARGUMENTS = (
    "Tensor q, Tensor? k, Tensor cos, Tensor sin, Tensor? q_weight, Tensor? k_weight, "
    "Tensor? q_bias, Tensor? k_bias, str? norm, str pairs, float eps"
)
_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define(f"qk_norm_rope_forward({_ARGUMENTS}) -> (Tensor, Tensor)")
_LIBRARY.define(
    f"qk_norm_rope_backward(Tensor? grad_q_out, Tensor? grad_k_out, {_ARGUMENTS}) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launchers work under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("qk_norm_rope_forward", launch_forward, _key)
    _LIBRARY.impl("qk_norm_rope_backward", lambda *inputs: tuple(launch_backward(*inputs)), _key)


@torch.library.register_fake("diptych_kernels::qk_norm_rope_forward", lib=_LIBRARY)
def _forward_fake(q: Tensor, k: Tensor | None, *rest: object) -> tuple[Tensor, Tensor]:
    return q.new_empty(q.shape), q.new_empty(0) if k is None else k.new_empty(k.shape)


@torch.library.register_fake("diptych_kernels::qk_norm_rope_backward", lib=_LIBRARY)
def _backward_fake(
    grad_q_out: Tensor | None,
    grad_k_out: Tensor | None,
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    q_weight: Tensor | None,
    k_weight: Tensor | None,
    q_bias: Tensor | None,
    k_bias: Tensor | None,
    norm: str | None,
    pairs: str,
    eps: float,
) -> tuple[Tensor, ...]:
    grads, like = (grad_q_out, grad_k_out) * 3, (q, k, q_weight, k_weight, q_bias, k_bias)
    return tuple(
        q.new_empty(0) if grad is None or a is None else a.new_empty(a.shape)
        for grad, a in zip(grads, like, strict=True)
    )


class _QkNormRope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        """Keeps q and k as they came: the norm is computed again."""
        run = op_or_launcher("qk_norm_rope_forward", launch_forward)
        q_out, k_out = run(*arguments)
        ctx.save_for_backward(*arguments[:8])
        ctx.set_materialize_grads(False)
        ctx.rest = arguments[8:]
        return q_out, k_out

    @staticmethod
    def backward(
        ctx: Any, grad_q_out: Tensor | None, grad_k_out: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """One launch; the gradients are new tensors."""
        tensors = ctx.saved_tensors
        q, k, _, _, q_weight, k_weight, q_bias, k_bias = tensors
        grad_k_out = None if k is None else grad_k_out
        if grad_q_out is None and grad_k_out is None:
            return (None,) * 11
        refuse_second_derivative("qk_norm_rope")
        run = op_or_launcher("qk_norm_rope_backward", launch_backward)
        found = run(grad_q_out, grad_k_out, *tensors, *ctx.rest)
        grads, like = (grad_q_out, grad_k_out) * 3, (q, k, q_weight, k_weight, q_bias, k_bias)
        grad_q, grad_k, *parameters = (
            None if grad is None or a is None else each
            for grad, a, each in zip(grads, like, found, strict=True)
        )
        return grad_q, grad_k, None, None, *parameters, None, None, None


def qk_norm_rope_triton(
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    q_weight: Tensor | None = None,
    k_weight: Tensor | None = None,
    q_bias: Tensor | None = None,
    k_bias: Tensor | None = None,
    norm: str | None = None,
    pairs: str = "halves",
    eps: float = 1e-6,
) -> tuple[Tensor, Tensor | None]:
    """As the reference, in one launch forward and one backward. Differentiable once."""
    q_out, k_out = _QkNormRope.apply(
        q, k, cos, sin, q_weight, k_weight, q_bias, k_bias, norm, pairs, eps
    )
    return q_out, None if k is None else k_out
