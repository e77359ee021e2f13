# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of the flow-matching pair: one program, one tile of tokens and channels.

An argument in capitals is a pointer; one that is None is compiled out, and with it its branch.
Strides are in elements, for the axes ``b``, ``n`` and ``c``; offsets are int64, since every part
may exceed 2^31 elements. Arithmetic is in float32.
"""

import triton
import triton.language as tl

from diptych_kernels.triton_tiles import tile


@triton.jit
def interpolate_kernel(
    X, NOISE, T, OUT,
    x_b, x_n, x_c, noise_b, noise_n, noise_c, t_b,
    tiles, channel_tiles, tokens, channels,
    TOKENS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """OUT = (1 - t) X + t NOISE; OUT is contiguous."""
    b, n, c, live = tile(tiles, channel_tiles, tokens, channels, TOKENS, CHANNELS)
    t = tl.load(T + b * t_b).to(tl.float32)
    x = tl.load(X + b * x_b + n * x_n + c * x_c, mask=live, other=0.0).to(tl.float32)
    at = NOISE + b * noise_b + n * noise_n + c * noise_c
    noise = tl.load(at, mask=live, other=0.0).to(tl.float32)
    out = (1.0 - t) * x + t * noise
    at = OUT + (b * tokens + n) * channels + c
    tl.store(at, out.to(OUT.dtype.element_ty), mask=live)


@triton.jit
def loss_kernel(
    PREDICTION, X, NOISE, MASK, ERROR, SUMS,
    prediction_b, prediction_n, prediction_c, x_b, x_n, x_c, noise_b, noise_n, noise_c,
    mask_b, mask_n,
    tiles, channel_tiles, tokens, channels,
    TOKENS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """The tile's sum of squared errors, and the errors themselves, for the backward."""
    b, n, c, live = tile(tiles, channel_tiles, tokens, channels, TOKENS, CHANNELS)
    at = (b * tokens + n) * channels + c
    stored = live
    if MASK is not None:
        real = tl.load(MASK + b * mask_b + n * mask_n, mask=n < tokens, other=0)
        live = live & (real != 0)
    x = tl.load(X + b * x_b + n * x_n + c * x_c, mask=live, other=0.0).to(tl.float32)
    from_noise = NOISE + b * noise_b + n * noise_n + c * noise_c
    noise = tl.load(from_noise, mask=live, other=0.0).to(tl.float32)
    from_prediction = PREDICTION + b * prediction_b + n * prediction_n + c * prediction_c
    prediction = tl.load(from_prediction, mask=live, other=0.0).to(tl.float32)
    error = prediction - (noise - x)
    if ERROR is not None:
        tl.store(ERROR + at, error.to(ERROR.dtype.element_ty), mask=stored)
    tl.store(SUMS + tl.program_id(0), tl.sum(tl.sum(error * error, axis=1), axis=0))


@triton.jit
def scale_kernel(
    FACTOR, A, OUT, SECOND,
    a_b, a_n, a_c,
    tiles, channel_tiles, tokens, channels,
    TOKENS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """OUT = first factor times A, SECOND = second factor times A; FACTOR is ``b 2``, contiguous."""
    b, n, c, live = tile(tiles, channel_tiles, tokens, channels, TOKENS, CHANNELS)
    a = tl.load(A + b * a_b + n * a_n + c * a_c, mask=live, other=0.0).to(tl.float32)
    at = (b * tokens + n) * channels + c
    if OUT is not None:
        out = tl.load(FACTOR + 2 * b) * a
        tl.store(OUT + at, out.to(OUT.dtype.element_ty), mask=live)
    if SECOND is not None:
        out = tl.load(FACTOR + 2 * b + 1) * a
        tl.store(SECOND + at, out.to(SECOND.dtype.element_ty), mask=live)
