# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``nearest_code``: a tile of scores lives in registers, never in memory.

An argument in capitals is a pointer; one that is None is compiled out. Strides are in elements.
Offsets of rows and codes are int64. Products are summed in float32, of float32 inputs without
TF32, which would merge codes that differ in their last 13 bits.
"""

import triton
import triton.language as tl


@triton.jit
def terms_kernel(
    CODES, TERMS, code_k, code_d, codes, width,
    COSINE: tl.constexpr, BLOCK_CODES: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One program, BLOCK_CODES codes: |c|^2 / 2, or for the cosine 1 / |c|."""
    code = tl.program_id(0) * BLOCK_CODES + tl.arange(0, BLOCK_CODES)
    squares = tl.zeros([BLOCK_CODES], dtype=tl.float32)
    for start in range(0, width, BLOCK_D):
        column = start + tl.arange(0, BLOCK_D)
        live = (code < codes)[:, None] & (column < width)[None, :]
        at = code.to(tl.int64)[:, None] * code_k + column.to(tl.int64)[None, :] * code_d
        c = tl.load(CODES + at, mask=live, other=0.0).to(tl.float32)
        squares += tl.sum(c * c, axis=1)
    term = tl.where(squares == 0.0, 0.0, tl.rsqrt(squares)) if COSINE else 0.5 * squares
    tl.store(TERMS + code, term, mask=code < codes)


@triton.jit
def search_kernel(
    X, CODES, TERMS, SCORES, INDICES, x_n, x_d, code_k, code_d,
    rows, codes, width, codes_each, row_blocks,
    COSINE: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_CODES: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One program, BLOCK_ROWS rows against one share of the codebook: its best code for each.

    SCORES and INDICES are ``share n``. Programs of one share run side by side, so that they read
    the same codes while these are in the cache.
    """
    program = tl.program_id(0)
    share = program // row_blocks
    row = (program % row_blocks) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    first = share * codes_each
    end = tl.minimum(first + codes_each, codes)
    x_row = X + row.to(tl.int64)[:, None] * x_n

    best = tl.full([BLOCK_ROWS], float("inf"), dtype=tl.float32)
    index = tl.zeros([BLOCK_ROWS], dtype=tl.int32) + first
    for start in range(first, end, BLOCK_CODES):
        code = start + tl.arange(0, BLOCK_CODES)
        code_column = CODES + code.to(tl.int64)[None, :] * code_k
        product = tl.zeros([BLOCK_ROWS, BLOCK_CODES], dtype=tl.float32)
        for begin in range(0, width, BLOCK_D):
            column = begin + tl.arange(0, BLOCK_D)
            d = column.to(tl.int64)
            live = (row < rows)[:, None] & (column < width)[None, :]
            x = tl.load(x_row + d[None, :] * x_d, mask=live, other=0.0)
            live = (column < width)[:, None] & (code < end)[None, :]
            c = tl.load(code_column + d[:, None] * code_d, mask=live, other=0.0)
            if X.dtype.element_ty != CODES.dtype.element_ty:
                x = x.to(tl.float32)
                c = c.to(tl.float32)
            product = tl.dot(x, c, product, input_precision=PRECISION)
        term = tl.load(TERMS + code, mask=code < end, other=0.0)
        score = -product * term[None, :] if COSINE else term[None, :] - product
        score = tl.where(score != score, float("-inf"), score)
        score = tl.where((code < end)[None, :], score, float("inf"))
        # Not an arg-min, whose choice among equals is the device's: the lowest index that has it.
        least = tl.min(score, axis=1)
        lowest = tl.min(tl.where(score == least[:, None], code[None, :], codes), axis=1)
        index = tl.where(least < best, lowest, index)
        best = tl.minimum(least, best)
    out = share.to(tl.int64) * rows + row
    tl.store(SCORES + out, best, mask=row < rows)
    tl.store(INDICES + out, index, mask=row < rows)


@triton.jit
def finish_kernel(
    X, CODES, SCORES, INDICES, CHOSEN, DISTANCES, x_n, x_d, code_k, code_d, rows, width, shares,
    COSINE: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_SHARES: tl.constexpr,
    BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One program, BLOCK_ROWS rows: the best of all shares, and its distance from the inputs."""
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    there = row < rows
    row = row.to(tl.int64)
    share = tl.arange(0, BLOCK_SHARES)
    at = share.to(tl.int64)[None, :] * rows + row[:, None]
    has = there[:, None] & (share < shares)[None, :]
    score = tl.load(SCORES + at, mask=has, other=float("inf"))
    least = tl.min(score, axis=1)
    first = tl.min(tl.where(score == least[:, None], share[None, :], BLOCK_SHARES), axis=1)
    chosen = tl.load(INDICES + first.to(tl.int64) * rows + row, mask=there, other=0).to(tl.int64)
    tl.store(CHOSEN + row, chosen, mask=there)
    if DISTANCES is not None:
        near = tl.zeros([BLOCK_ROWS, BLOCK_D], dtype=tl.float32)
        x_square = tl.zeros([BLOCK_ROWS, BLOCK_D], dtype=tl.float32)
        c_square = tl.zeros([BLOCK_ROWS, BLOCK_D], dtype=tl.float32)
        for start in range(0, width, BLOCK_D):
            column = start + tl.arange(0, BLOCK_D)
            d = column.to(tl.int64)[None, :]
            live = there[:, None] & (column < width)[None, :]
            x = tl.load(X + row[:, None] * x_n + d * x_d, mask=live, other=0.0).to(tl.float32)
            c_at = chosen[:, None] * code_k + d * code_d
            c = tl.load(CODES + c_at, mask=live, other=0.0).to(tl.float32)
            if COSINE:
                near += x * c
                x_square += x * x
                c_square += c * c
            else:
                near += (x - c) * (x - c)
        distance = tl.sum(near, axis=1)
        if COSINE:
            x_length = tl.sum(x_square, axis=1)
            c_length = tl.sum(c_square, axis=1)
            r = tl.where(x_length == 0.0, 0.0, tl.rsqrt(x_length))
            r = r * tl.where(c_length == 0.0, 0.0, tl.rsqrt(c_length))
            distance = 1.0 - distance * r
        tl.store(DISTANCES + row, distance, mask=there)
