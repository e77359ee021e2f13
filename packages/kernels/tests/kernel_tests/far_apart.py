"""Tensors whose elements lie further apart than an int32 reaches, in memory never touched."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor


FAR = 2**30 + 8  # fits an int32, twice that does not


def far_apart(values: Tensor, axis: int) -> Tensor:
    """The same values, the third along ``axis`` beyond 2^31 elements.

    Of the other axes, the last may have up to 32 entries; the others must have one.
    """
    furthest = (values.shape[axis] - 1) * FAR + 64
    room = torch.UntypedStorage(furthest * values.element_size())  # reserved, not touched
    strides = [0] * values.dim()
    strides[axis], strides[-1 if axis != values.dim() - 1 else -2] = FAR, 1
    far = torch.empty(0, dtype=values.dtype).set_(room, 0, values.shape, strides)
    return far.copy_(values)


@contextmanager
def untouched_memory() -> Iterator[None]:
    """Keeps the interpreter and torch from touching all of it."""
    from triton.runtime.interpreter import GridExecutor

    # The interpreter copies each storage back onto itself, all four gigabytes of it.
    with mock.patch.object(GridExecutor, "_restore_args_dev", return_value=None):
        torch.use_deterministic_algorithms(False)  # which would fill them
        yield
