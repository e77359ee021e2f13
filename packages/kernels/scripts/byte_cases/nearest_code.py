"""Codes for features of 576 tokens and of 8 images of 729, as VQ models search them.

A matrix product reads its factors once here, in eager code and in the kernel, though either reads
them again for each tile that the cache has lost.
"""

from functools import partial

import torch
from torch import Tensor

from byte_cases.case import Case, draw
from diptych_kernels import nearest_code
from diptych_kernels.ops.nearest_code import triton  # noqa: F401


def _eager(x: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
    """As taming-transformers' ``VectorQuantizer2``."""
    squares = x.pow(2).sum(1, keepdim=True) + codes.pow(2).sum(1)
    return (torch.argmin(squares - 2 * (x @ codes.mT), 1),)


def _fused(x: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
    indices, _ = torch.ops.diptych_kernels.nearest_code(x, codes, False, False)
    return (indices,)


def _call(name: str, x: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
    indices = nearest_code(x, codes, implementation=name)
    assert isinstance(indices, Tensor)
    return (indices,)


def _inputs(rows: int, codes: int, width: int) -> list[Tensor]:
    return [draw(rows, width, learned=False), draw(codes, width, learned=False)]


def cases() -> list[Case]:
    """A wide codebook and a narrow one."""
    return [
        Case(f"n {rows} k {codes} d {width}", partial(_inputs, rows, codes, width), _eager, _fused,
             None, call=_call)
        for rows, codes, width in ((5832, 65536, 1536), (8192, 16384, 8))
    ]  # fmt: skip
