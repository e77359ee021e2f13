"""Numbers that must not be rounded: float32 or higher, also within a trainer's autocast."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import torch
from torch import Tensor, nn


def at_least_float32(x: Tensor) -> Tensor:
    """Return x, in float32 if its dtype is a shorter one."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Return a context in which products keep their operands' dtype, on the device of a tensor.

    Where costs are counted, on the meta device, there is no autocast to leave.
    """
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)


class ExactBuffers(nn.Module):
    """A module whose buffers are never converted to a shorter type than they have, whatever its weights are."""

    def is_exact(self, name: str) -> bool:
        """Say whether this holds for a buffer, by its name; for all unless a module says otherwise."""
        return True

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: each for name, each in self.named_buffers() if self.is_exact(name) and not each.is_meta}
        super()._apply(fn, recurse)
        for name, exact in before.items():
            owner, _, own = name.rpartition(".")
            module = self.get_submodule(owner)
            now = getattr(module, own)
            if now.dtype.itemsize < exact.dtype.itemsize:
                setattr(module, own, exact.to(now.device))
        return self
