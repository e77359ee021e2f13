"""Launchers of the flow-matching kernels: allocation, grid and launch table.

Tensors are ``b n c`` here, and have been checked.
"""

import torch
from torch import Tensor

from diptych_kernels.launching import on_device
from diptych_kernels.ops.flow_matching.kernels import (
    interpolate_kernel,
    loss_kernel,
    scale_kernel,
)
from diptych_kernels.tiling import cut


def launch_interpolate(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Returns x_t, contiguous."""
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        tiling, strides = cut(x.shape, (x, noise))
        with on_device(x):
            interpolate_kernel[(x.shape[0] * tiling.tiles,)](
                x, noise, t, out, *strides, t.stride(0), *tiling.numbers,
                num_warps=tiling.warps(),
            )  # fmt: skip
    return out


def launch_loss(
    prediction: Tensor, x: Tensor, noise: Tensor, mask: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the mean squared errors ``b``, their counts ``b``, and the errors if ``keep``.

    The errors are contiguous and of the dtype of the prediction; shape ``[0]`` if not kept.
    """
    shape, device = prediction.shape, prediction.device
    errors = torch.empty(shape if keep else [0], dtype=prediction.dtype, device=device)
    if mask is None:
        count = torch.full(shape[:1], shape[1:].numel(), dtype=torch.float32, device=device)
    else:
        count = mask.sum(1).float() * shape[2]
    count = count.clamp_min(1)
    if prediction.numel() == 0:
        return torch.zeros(shape[:1], dtype=torch.float32, device=device), count, errors
    tiling, strides = cut(shape, (prediction, x, noise), whole=mask is None)
    sums = torch.empty((shape[0], tiling.tiles), dtype=torch.float32, device=device)
    with on_device(prediction):
        loss_kernel[(shape[0] * tiling.tiles,)](
            prediction, x, noise, mask, errors if keep else None, sums,
            *strides, *((0, 0) if mask is None else mask.stride()),
            *tiling.numbers, num_warps=tiling.warps(),
        )  # fmt: skip
    return sums.sum(1) / count, count, errors


def launch_scale(
    a: Tensor, factors: Tensor, first: torch.dtype | None, second: torch.dtype | None
) -> tuple[Tensor, Tensor]:
    """Returns a times its sample's first factor and times its second, contiguous.

    Each in the dtype that is given, or of shape ``[0]`` if that is None. ``factors`` is ``b 2``,
    float32.
    """
    factors = factors.contiguous()

    def like(dtype: torch.dtype | None) -> Tensor | None:
        return None if dtype is None else torch.empty(a.shape, dtype=dtype, device=a.device)

    outputs = like(first), like(second)
    if a.numel() > 0:
        tiling, strides = cut(a.shape, (a,))
        with on_device(a):
            scale_kernel[(a.shape[0] * tiling.tiles,)](
                factors, a, *outputs, *strides, *tiling.numbers, num_warps=tiling.warps()
            )
    one, other = (a.new_empty(0) if output is None else output for output in outputs)
    return one, other
