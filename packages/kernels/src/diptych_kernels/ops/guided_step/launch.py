"""Launcher of the ``guided_step`` kernels: allocation, grid and launch table.

Tensors are ``b m`` here, and arguments have been checked.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from diptych_kernels.launching import on_device, power_of_two
from diptych_kernels.ops.guided_step.kernels import moments_kernel, step_kernel


# The launch table: 8 elements for each thread, a 16-byte load of bfloat16. No row is held, so the
# size of a sample does not matter.
BLOCK, WARPS = 1024, 4
_MOST_PARTS = 128  # whose moments every program of a sample adds up


class Parts(NamedTuple):
    """Into how many parts a sample is cut for its moments, and the elements of each."""

    number: int
    each: int


def parts_for(size: int) -> Parts:
    """It depends on the size alone, so that sums are added in the same order always."""
    blocks = -(-size // BLOCK)
    each = -(-blocks // min(blocks, _MOST_PARTS))
    return Parts(-(-blocks // each), each * BLOCK)


def launch_step(
    x: Tensor,
    conditional: Tensor,
    null: Tensor | None,
    before: Tensor | None,
    dt: float | Tensor,
    scale: float | Tensor,
    ratio: float | Tensor,
    rescale: float,
    velocity: bool,
) -> tuple[Tensor, Tensor]:
    """Returns the new state and, if wanted, the velocity (else ``[0]``), both contiguous."""
    samples, size = x.shape
    out = torch.empty((samples, size), dtype=torch.float32, device=x.device)
    followed = torch.empty(out.shape if velocity else 0, dtype=torch.float32, device=x.device)
    if out.numel() == 0:
        return out, followed
    pointers = [a if isinstance(a, Tensor) else None for a in (dt, scale, ratio)]
    values = [0.0 if isinstance(a, Tensor) else float(a) for a in (dt, scale, ratio)]
    blocks, parts = -(-size // BLOCK), parts_for(size)
    moments = None
    with on_device(x):
        if null is not None and rescale > 0:
            shape = (samples, 4, parts.number)
            moments = torch.empty(shape, dtype=torch.float32, device=x.device)
            moments_kernel[(samples * parts.number,)](
                conditional, null, pointers[1], moments, values[1],
                *conditional.stride(), *null.stride(), size, parts.each, parts.number,
                BLOCK=BLOCK, num_warps=WARPS,
            )  # fmt: skip
        step_kernel[(samples * blocks,)](
            x, conditional, null, before, moments, out, followed if velocity else None,
            *pointers, *values, float(rescale),
            *x.stride(), *conditional.stride(), *_strides(null), *_strides(before),
            size, blocks, parts.each, parts.number,
            BLOCK=BLOCK, BLOCK_PARTS=power_of_two(parts.number), num_warps=WARPS,
        )  # fmt: skip
    return out, followed


def _strides(tensor: Tensor | None) -> tuple[int, ...]:
    return (0, 0) if tensor is None else tensor.stride()
