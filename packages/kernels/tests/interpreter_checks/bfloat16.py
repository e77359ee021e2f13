"""bfloat16 in the interpreter: stock triton computes on its bit patterns and truncates casts.

Values stay uint16 patterns, as triton stores them. Every operation widens to float32, computes,
and rounds to nearest even, as the devices do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from interpreter_checks.patching import replaced


def widened(patterns: np.ndarray) -> np.ndarray:
    """Bit patterns of bfloat16 to float32, exactly."""
    return (patterns.astype(np.uint32) << 16).view(np.float32)


def rounded(values: np.ndarray) -> np.ndarray:
    """float32 to bit patterns of bfloat16, to nearest even; a NaN stays a NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    nearest = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, nearest).astype(np.uint16)


def _is_bfloat16(handle: TensorHandle) -> bool:
    return handle.dtype.scalar == tl.bfloat16 and handle.data.dtype == np.uint16


def _float(handle: TensorHandle) -> TensorHandle:
    if not _is_bfloat16(handle):
        return handle
    return TensorHandle(widened(handle.data), tl.float32)


def _back(handle: TensorHandle) -> TensorHandle:
    if handle.data.dtype == np.float32:
        return TensorHandle(rounded(handle.data), tl.bfloat16)
    return handle  # a comparison


@contextmanager
def corrected_bfloat16() -> Iterator[None]:
    """Repairs casts, arithmetic, comparisons, fma and dot."""
    stock = dict(InterpreterBuilder.__dict__)

    def cast_impl(self: Any, source: TensorHandle, to: Any) -> TensorHandle:
        source = _float(source)
        if to.scalar == tl.bfloat16:
            if source.dtype.scalar == tl.bfloat16:
                return source
            return TensorHandle(rounded(source.data.astype(np.float32)), tl.bfloat16)
        return stock["cast_impl"](self, source, to)

    def create_fp_to_fp(self: Any, source: TensorHandle, to: Any, rounding: Any) -> TensorHandle:
        if tl.bfloat16 in (source.dtype.scalar, to.scalar):
            return cast_impl(self, source, to)
        return stock["create_fp_to_fp"](self, source, to, rounding)

    def unary_op(self: Any, argument: TensorHandle, op: Any) -> TensorHandle:
        result = stock["unary_op"](self, _float(argument), op)
        return _back(result) if _is_bfloat16(argument) else result

    def binary_op(self: Any, left: TensorHandle, right: TensorHandle, op: Any) -> TensorHandle:
        result = stock["binary_op"](self, _float(left), _float(right), op)
        return _back(result) if _is_bfloat16(left) else result

    def create_fma(self: Any, x: TensorHandle, y: TensorHandle, z: TensorHandle) -> TensorHandle:
        result = stock["create_fma"](self, _float(x), _float(y), _float(z))
        return _back(result) if _is_bfloat16(z) else result

    def create_dot(self: Any, a: TensorHandle, b: TensorHandle, *rest: Any) -> TensorHandle:
        return stock["create_dot"](self, _float(a), _float(b), *rest)

    with replaced(
        InterpreterBuilder,
        cast_impl=cast_impl,
        create_fp_to_fp=create_fp_to_fp,
        unary_op=unary_op,
        binary_op=binary_op,
        create_fma=create_fma,
        create_dot=create_dot,
    ):
        yield
