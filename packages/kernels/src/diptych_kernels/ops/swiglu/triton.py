# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementation: its registration with torch, its autograd, its function.

As everywhere here: functional ops with fakes for ``torch.compile`` and ``torch.export``, launchers
called directly in eager mode, and an ``autograd.Function`` outside the ops.
"""

from typing import Any

import torch
from torch import Tensor

from diptych_kernels.ops.swiglu.launch import launch_backward, launch_forward
from diptych_kernels.registration import op_or_launcher, refuse_second_derivative


_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define("swiglu_forward(Tensor gate, Tensor up) -> Tensor")
_LIBRARY.define(
    "swiglu_backward(Tensor grad, Tensor gate, Tensor up, bool of_gate, bool of_up) "
    "-> (Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launchers work under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("swiglu_forward", launch_forward, _key)
    _LIBRARY.impl("swiglu_backward", launch_backward, _key)


@torch.library.register_fake("diptych_kernels::swiglu_forward", lib=_LIBRARY)
def _forward_fake(gate: Tensor, up: Tensor) -> Tensor:
    return gate.new_empty(gate.shape)


@torch.library.register_fake("diptych_kernels::swiglu_backward", lib=_LIBRARY)
def _backward_fake(
    grad: Tensor, gate: Tensor, up: Tensor, of_gate: bool, of_up: bool
) -> tuple[Tensor, Tensor]:
    wanted = ((gate, of_gate), (up, of_up))
    one, other = (a.new_empty(a.shape if asked else [0]) for a, asked in wanted)
    return one, other if of_up else gate.new_empty(0)


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        """Keeps the inputs, which the projections before hold anyway."""
        run = op_or_launcher("swiglu_forward", launch_forward)
        ctx.save_for_backward(gate, up)
        out: Tensor = run(gate, up)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """One launch; the gradients are new tensors."""
        refuse_second_derivative("swiglu")
        run = op_or_launcher("swiglu_backward", launch_backward)
        wanted = ctx.needs_input_grad
        grads = run(grad, *ctx.saved_tensors, *wanted)
        return tuple(a if asked else None for a, asked in zip(grads, wanted, strict=True))


def swiglu_triton(gate: Tensor, up: Tensor) -> Tensor:
    """As the reference, in one launch forward and one backward. Differentiable once."""
    out: Tensor = _Swiglu.apply(gate, up)
    return out
