"""Goes through the vocabulary tile by tile: a tile of logits is all that is ever held.

Forward keeps the log of the normaliser of each row. Backward computes each tile of logits again:
one matrix product more than keeping gradients would need, but d(weight) is complete in one product
for each tile, summed in float32 and rounded once, and no gradient is held between the two.
"""

import math
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor


ELEMENTS = {"cuda": 2**28, "cpu": 2**22}  # of a tile, in float32: 1 GB on a GPU


def forward(
    x: Tensor,
    weight: Tensor,
    labels: Tensor,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    soft_cap: float,
    chunk: int,
    fused: bool,
) -> tuple[Tensor, Tensor]:
    """Returns the loss and the log of the normaliser, both ``n``; 0 in ignored rows.

    ``chunk`` is the number of words in a tile, 0 for as many as ELEMENTS allows.
    """
    index = _kept(labels, ignore_index)
    narrow = _narrow(x, weight)
    rows, own, wide = _rows(x, index, narrow), _rows(labels, index), _wide(x, weight)
    state = torch.zeros((len(rows), 4), dtype=wide, device=x.device)
    state[:, 0] = -math.inf
    for start, part in _parts(weight, chunk, len(rows)):
        logits = _product(rows, part.to(rows.dtype).mT)
        _tile_functions(fused).fold(logits, own, state, start, soft_cap)
        del logits  # before the next one is there
    maximum, total, picked, every = state.unbind(1)
    lse = torch.where(maximum.isinf(), 0.0, maximum) + total.log()
    loss = (1 - label_smoothing) * (lse - picked) + z_loss * lse.square()
    if label_smoothing > 0:
        loss = loss + label_smoothing * (lse - every / len(weight))
    return _spread(loss, index, len(x)), _spread(lse, index, len(x))


def backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    labels: Tensor,
    lse: Tensor,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    soft_cap: float,
    chunk: int,
    fused: bool,
    for_x: bool,
    for_weight: bool,
) -> tuple[Tensor, Tensor]:
    """Returns the gradients of x ``n d`` and weight ``v d``, each ``0`` if not wanted."""
    index = _kept(labels, ignore_index)
    narrow = _narrow(x, weight)
    rows, own, wide = _rows(x, index, narrow), _rows(labels, index), _wide(x, weight)
    lse, grad = _rows(lse, index), _rows(grad, index).to(wide)
    grad_rows = torch.zeros(rows.shape if for_x else 0, dtype=wide, device=x.device)
    wanted = weight.shape if for_weight else torch.Size([0])
    grad_weight = torch.empty(wanted, dtype=weight.dtype, device=x.device)
    if len(rows) == 0:
        grad_weight.zero_()
    for start, part in _parts(weight, chunk, len(rows)):
        words = part.to(rows.dtype)
        logits = _product(rows, words.mT)
        found = _tile_functions(fused).gradient(
            logits, own, lse, grad, start, soft_cap, z_loss,
            1 - label_smoothing, label_smoothing / len(weight), rows.dtype,
        )  # fmt: skip
        del logits
        if for_x:
            grad_rows += _product(found, words)
        if for_weight:
            grad_weight[start : start + len(part)] = _product(found.mT, rows).to(weight.dtype)
    grad_x = _spread(grad_rows.to(x.dtype), index, len(x)) if for_x else grad_rows.to(x.dtype)
    return grad_x, grad_weight


def _kept(labels: Tensor, ignore_index: int) -> Tensor | None:
    """Which rows count, or None for all. Their number is a size: this waits for the device."""
    kept = (labels != ignore_index).nonzero()[:, 0]
    return None if len(kept) == len(labels) else kept


def _rows(a: Tensor, index: Tensor | None, dtype: torch.dtype | None = None) -> Tensor:
    a = a if index is None else a.index_select(0, index)
    return (a if dtype is None else a.to(dtype)).contiguous()


def _spread(a: Tensor, index: Tensor | None, length: int) -> Tensor:
    if index is None:
        return a
    return a.new_zeros((length, *a.shape[1:])).index_copy_(0, index, a)


def _parts(weight: Tensor, chunk: int, rows: int) -> list[tuple[int, Tensor]]:
    """The tiles' first words and weights."""
    if rows == 0:
        return []
    most = ELEMENTS.get(weight.device.type, ELEMENTS["cuda"]) // rows
    each = chunk or max(128, most // 128 * 128)
    return [(start, weight[start : start + each]) for start in range(0, len(weight), each)]


def _wide(x: Tensor, weight: Tensor) -> torch.dtype:
    return torch.float64 if torch.float64 in (x.dtype, weight.dtype) else torch.float32


def _narrow(x: Tensor, weight: Tensor) -> torch.dtype:
    """The dtype in which the products' factors are: 16 bits where matrix units take them."""
    short = x.dtype == weight.dtype and x.dtype in (torch.bfloat16, torch.float16) and x.is_cuda
    return x.dtype if short else _wide(x, weight)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """A product summed and returned in float32 (float64), whatever the factors."""
    if a.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(a, b, out_dtype=torch.float32)
    return a @ b


def _tile_functions(fused: bool) -> ModuleType:
    # Triton is imported only where it is wanted.
    return import_module(f"{__package__}.{'fused' if fused else 'plain'}")
