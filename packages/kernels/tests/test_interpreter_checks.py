"""The checks of the interpreter find planted faults, and its bfloat16 is torch's."""

import numpy as np
import pytest
import torch


pytest.importorskip("triton")

import triton
import triton.language as tl
from interpreter_checks.bfloat16 import rounded, widened
from triton.runtime.errors import InterpreterError


@triton.jit
def _copy(X, OUT, n, slack, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(OUT + at, tl.load(X + at, mask=at < n, other=0.0), mask=at < n + slack)


@triton.jit
def _pass_on(X, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(X + BLOCK + at, tl.load(X + at) + 1)


@triton.jit
def _all_to_first(OUT):
    tl.store(OUT, tl.program_id(0))


@triton.jit
def _add_up(OUT, X):
    tl.atomic_add(OUT, tl.load(X + tl.program_id(0)))


@triton.jit
def _square(X, OUT, n):
    tl.store(OUT, (n * n).to(tl.int64))


@triton.jit
def _arithmetic(X, Y, OUT, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(X + at)
    y = tl.load(Y + at)
    tl.store(OUT + at, tl.where(x > y, -x * y, x + y))


def test_a_right_kernel_passes() -> None:
    x, out = torch.randn(10), torch.zeros(10)
    _copy[(3,)](x, out, 10, 0, BLOCK=4)
    assert torch.equal(x, out)


def test_writing_into_a_neighbouring_view_is_caught() -> None:
    room = torch.zeros(20)
    with pytest.raises(InterpreterError, match="stored out of bounds: 1 of 3 unmasked"):
        _copy[(3,)](torch.randn(10), room[:10], 10, 1, BLOCK=4)
    with pytest.raises(InterpreterError, match="loaded out of bounds"):
        _copy[(3,)](torch.randn(9), room[:10], 10, 0, BLOCK=4)
    with pytest.raises(InterpreterError, match="out of bounds"):
        _copy[(3,)](torch.randn(20)[::2], room[:10], 10, 0, BLOCK=4)


def test_races_are_caught() -> None:
    with pytest.raises(InterpreterError, match="race"):
        _pass_on[(2,)](torch.zeros(12), BLOCK=4)
    with pytest.raises(InterpreterError, match="stored what another program stored"):
        _all_to_first[(2,)](torch.zeros(1, dtype=torch.int32))
    with pytest.raises(InterpreterError, match="atomic"):
        _add_up[(2,)](torch.zeros(1), torch.ones(2))


def test_integer_overflow_is_caught() -> None:
    out = torch.zeros(1, dtype=torch.int64)
    _square[(1,)](out, out, 46340)
    assert out.item() == 46340**2
    with pytest.raises(InterpreterError, match="overflow"):
        _square[(1,)](out, out, 46341)


def test_bfloat16_rounds_as_torch_does() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 20000, dtype=np.uint64).astype(np.uint32)
    ties = np.arange(2**16, dtype=np.uint32) << 16 | 0x8000
    for pattern in (bits, ties):
        values = torch.from_numpy(pattern.view(np.float32).copy())
        expected = values.bfloat16()
        ours = torch.from_numpy(widened(rounded(values.numpy())))
        torch.testing.assert_close(ours, expected.float(), rtol=0, atol=0, equal_nan=True)


def test_bfloat16_arithmetic_is_torchs() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = (torch.randn(64, generator=random).bfloat16() for _ in range(2))
    out = torch.empty_like(x)
    _arithmetic[(1,)](x, y, out, BLOCK=64)
    assert torch.equal(out, torch.where(x > y, -x * y, x + y))
