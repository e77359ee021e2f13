"""The loss of a 7 B language model on 8192 tokens and 152064 words.

The fused passes count their tiles of logits too: written by the product, read by the kernel; in
backward also the gradient of a tile, written by the kernel and read by two products, and the sum of
d(x) in float32, read and written for each tile. A product reads its factors once.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from byte_cases.case import Case, draw
from diptych_kernels import linear_cross_entropy
from diptych_kernels.ops.linear_cross_entropy import chunked  # noqa: F401
from diptych_kernels.ops.linear_cross_entropy.tiles import ELEMENTS


ROWS, WORDS, WIDTH = 8192, 152064, 3584
TILE = ELEMENTS["cuda"] // ROWS
_ops = torch.ops.diptych_kernels
_OPTIONS = (-100, 0.0, 0.0, 0.0, 0, True)


def _eager(x: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """As transformers' ``ForCausalLMLoss``."""
    return (cross_entropy((x @ weight.mT).float(), labels),)


def _fused(x: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    loss, _ = _ops.linear_cross_entropy_forward(x, weight, labels, *_OPTIONS)
    return (loss.mean(),)


def _backward(x: Tensor, weight: Tensor, labels: Tensor) -> object:
    rows = x[:, 0].float()
    return _ops.linear_cross_entropy_backward(rows, x, weight, labels, rows, *_OPTIONS, True, True)


def _call(name: str, x: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    return (linear_cross_entropy(x, weight, labels, implementation=name),)


def _forward_tiles(x: Tensor, weight: Tensor, labels: Tensor) -> None:
    for start in range(0, WORDS, TILE):
        logits = torch.zeros(ROWS, min(TILE, WORDS - start))  # written
        logits.sum()  # read
        if start:
            x.sum()  # read again


def _backward_tiles(x: Tensor, weight: Tensor, labels: Tensor) -> None:
    _forward_tiles(x, weight, labels)
    for start in range(0, WORDS, TILE):
        found = torch.zeros(ROWS, min(TILE, WORDS - start), dtype=x.dtype)  # written
        for read in (found, found, x, weight[start : start + TILE]):
            read.sum()
        total = torch.zeros(ROWS, WIDTH)  # written
        total.sum()  # read


def _inputs() -> list[Tensor]:
    return [draw(ROWS, WIDTH), draw(WORDS, WIDTH), torch.zeros(ROWS, dtype=torch.int64)]


def cases() -> list[Case]:
    """One."""
    return [Case("n 8192 v 152064 d 3584", _inputs, _eager, _fused, _backward,
                 _forward_tiles, _backward_tiles, call=_call, captured=False)]  # fmt: skip
