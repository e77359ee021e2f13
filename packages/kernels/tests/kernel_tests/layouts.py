"""The same values in memory in many ways, with NaN between them."""

import math

import torch
from torch import Tensor


LAYOUTS = ("contiguous", "transposed", "strided", "offset", "expanded", "constant")


def laid_out(values: Tensor, layout: str) -> Tensor:
    """Returns a tensor of the same shape and dtype in the given layout.

    ``expanded`` repeats the first entry of the first axis and ``constant`` that of the last, by
    stride 0, so these two change the values.
    """
    if layout == "transposed" and values.dim() > 1:
        return values.mT.contiguous().mT
    if layout == "strided":
        *outer, last = values.shape
        room = torch.full((*outer, 2 * last + 1), math.nan, dtype=values.dtype)
        view = room.to(values.device)[..., 1::2]
        return view.copy_(values)
    if layout == "offset":
        room = torch.full((values.numel() + 4,), math.nan, dtype=values.dtype)
        view = room.to(values.device)[3 : 3 + values.numel()].view(values.shape)
        return view.copy_(values)
    if layout == "expanded" and values.dim() > 1 and values.shape[0] > 0:
        return values[:1].clone().expand(values.shape)
    if layout == "constant" and values.shape[-1] > 0:
        return values[..., :1].clone().expand(values.shape)
    return values.clone(memory_format=torch.contiguous_format)
