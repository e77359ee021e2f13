"""What is done with a tile of logits, in one Triton kernel each."""

import torch
from torch import Tensor

from diptych_kernels.launching import on_device
from diptych_kernels.ops.linear_cross_entropy.kernels import fold_kernel, gradient_kernel


# The launch table: a row of any length, 8 elements for each thread at a time.
BLOCK, WARPS = 2048, 8


def fold(logits: Tensor, labels: Tensor, state: Tensor, start: int, soft_cap: float) -> None:
    """Adds a tile ``n c`` to the state ``n 4``, in place."""
    rows, columns = logits.shape
    with on_device(logits):
        fold_kernel[(rows,)](
            logits, labels, state, start, columns, soft_cap,
            CAPPED=soft_cap > 0, BLOCK=BLOCK, num_warps=WARPS,
        )  # fmt: skip


def gradient(
    logits: Tensor,
    labels: Tensor,
    lse: Tensor,
    grad: Tensor,
    start: int,
    soft_cap: float,
    z_loss: float,
    at_label: float,
    at_every: float,
    dtype: torch.dtype,
) -> Tensor:
    """Returns the gradient of a tile of logits, ``n c`` in ``dtype``."""
    rows, columns = logits.shape
    out = torch.empty((rows, columns), dtype=dtype, device=logits.device)
    with on_device(logits):
        gradient_kernel[(rows,)](
            logits, labels, lse, grad, out, start, columns, soft_cap, z_loss, at_label, at_every,
            CAPPED=soft_cap > 0, BLOCK=BLOCK, num_warps=WARPS,
        )  # fmt: skip
    return out
