# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``swiglu``: one program, one tile. Arithmetic is in float32.

Strides are in elements, for the axes ``b``, ``n`` and ``f``; offsets are int64, since every part
may exceed 2^31 elements. Outputs are contiguous.
"""

import triton
import triton.language as tl

from diptych_kernels.triton_tiles import tile


@triton.jit
def forward_kernel(
    GATE, UP, OUT,
    gate_b, gate_n, gate_f, up_b, up_n, up_f,
    tiles, channel_tiles, tokens, channels,
    TOKENS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """OUT = silu(GATE) * UP."""
    b, n, f, live = tile(tiles, channel_tiles, tokens, channels, TOKENS, CHANNELS)
    gate = tl.load(GATE + b * gate_b + n * gate_n + f * gate_f, mask=live, other=0.0)
    up = tl.load(UP + b * up_b + n * up_n + f * up_f, mask=live, other=0.0).to(tl.float32)
    gate = gate.to(tl.float32)
    out = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(OUT + (b * tokens + n) * channels + f, out.to(OUT.dtype.element_ty), mask=live)


@triton.jit
def backward_kernel(
    GRAD, GATE, UP, GRAD_GATE, GRAD_UP,
    grad_b, grad_n, grad_f, gate_b, gate_n, gate_f, up_b, up_n, up_f,
    tiles, channel_tiles, tokens, channels,
    TOKENS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Both gradients; the gate is computed again."""
    b, n, f, live = tile(tiles, channel_tiles, tokens, channels, TOKENS, CHANNELS)
    at = (b * tokens + n) * channels + f
    grad = tl.load(GRAD + b * grad_b + n * grad_n + f * grad_f, mask=live, other=0.0)
    gate = tl.load(GATE + b * gate_b + n * gate_n + f * gate_f, mask=live, other=0.0)
    grad, gate = grad.to(tl.float32), gate.to(tl.float32)
    open_ = 1.0 / (1.0 + tl.exp(-gate))
    shut = 1.0 / (1.0 + tl.exp(gate))  # 1 - open_ would cancel
    if GRAD_GATE is not None:
        up = tl.load(UP + b * up_b + n * up_n + f * up_f, mask=live, other=0.0).to(tl.float32)
        out = grad * up * open_ * (1.0 + gate * shut)
        tl.store(GRAD_GATE + at, out.to(GRAD_GATE.dtype.element_ty), mask=live)
    if GRAD_UP is not None:
        out = grad * gate * open_
        tl.store(GRAD_UP + at, out.to(GRAD_UP.dtype.element_ty), mask=live)
