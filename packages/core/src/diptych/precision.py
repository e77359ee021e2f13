"""Numbers that must not be rounded: float32 or higher, also within a trainer's autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Return x, in float32 if its dtype is a shorter one."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Return a context in which products keep their operands' dtype, on the device of a tensor.

    Where costs are counted, on the meta device, there is no autocast to leave.
    """
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)
