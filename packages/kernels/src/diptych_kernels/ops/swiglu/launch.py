"""Launchers of the ``swiglu`` kernels. Tensors are ``b n f`` here, and have been checked."""

import torch
from torch import Tensor

from diptych_kernels.launching import on_device
from diptych_kernels.ops.swiglu.kernels import backward_kernel, forward_kernel
from diptych_kernels.tiling import cut


def launch_forward(gate: Tensor, up: Tensor) -> Tensor:
    """Returns the product, contiguous."""
    out = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    if out.numel() > 0:
        tiling, strides = cut(gate.shape, (gate, up))
        with on_device(gate):
            forward_kernel[(gate.shape[0] * tiling.tiles,)](
                gate, up, out, *strides, *tiling.numbers, num_warps=tiling.warps()
            )
    return out


def launch_backward(
    grad: Tensor, gate: Tensor, up: Tensor, of_gate: bool, of_up: bool
) -> tuple[Tensor, Tensor]:
    """Returns the gradients of gate and up that are wanted, contiguous; else shape ``[0]``."""

    def like(a: Tensor, wanted: bool) -> Tensor | None:
        return torch.empty(a.shape, dtype=a.dtype, device=a.device) if wanted else None

    grads = like(gate, of_gate), like(up, of_up)
    if gate.numel() > 0:
        tiling, strides = cut(gate.shape, (grad, gate, up))
        with on_device(gate):
            backward_kernel[(gate.shape[0] * tiling.tiles,)](
                grad, gate, up, *grads, *strides, *tiling.numbers, num_warps=tiling.warps()
            )
    one, other = (gate.new_empty(0) if a is None else a for a in grads)
    return one, other
