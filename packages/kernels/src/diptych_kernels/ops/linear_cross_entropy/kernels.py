# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``linear_cross_entropy``: one pass each over a tile of logits ``n c``.

The tile comes from a matrix product, is float32 and contiguous. ``start`` is its first word.
"""

import triton
import triton.language as tl

from diptych_kernels.triton_math import tanh


@triton.jit
def fold_kernel(
    LOGITS, LABELS, STATE, start, columns, soft_cap,
    CAPPED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, one row: adds the tile to its maximum, sum of exp, label's logit and sum.

    STATE is ``n 4``. The sum of exp is relative to the maximum, or to 0 while that is infinite.
    """
    row = tl.program_id(0).to(tl.int64)
    at = STATE + row * 4
    maximum = tl.load(at)
    total = tl.load(at + 1)
    every = tl.load(at + 3)
    for first in range(0, columns, BLOCK):
        column = first + tl.arange(0, BLOCK)
        live = column < columns
        logit = tl.load(LOGITS + row * columns + column, mask=live, other=0.0)
        if CAPPED:
            logit = soft_cap * tanh(logit / soft_cap)
        every += tl.sum(logit, axis=0)
        logit = tl.where(live, logit, float("-inf"))
        larger = tl.maximum(maximum, tl.max(logit, axis=0))
        shift = tl.where(tl.abs(larger) == float("inf"), 0.0, larger)
        before = tl.where(maximum == larger, 1.0, tl.exp(maximum - shift))
        total = total * before + tl.sum(tl.exp(logit - shift), axis=0)
        maximum = larger
    label = tl.load(LABELS + row).to(tl.int64) - start
    there = (label >= 0) & (label < columns)
    picked = tl.load(LOGITS + row * columns + label, mask=there, other=0.0)
    if CAPPED:
        picked = soft_cap * tanh(picked / soft_cap)
    tl.store(at, maximum)
    tl.store(at + 1, total)
    tl.store(at + 2, tl.load(at + 2) + picked)
    tl.store(at + 3, every)


@triton.jit
def gradient_kernel(
    LOGITS, LABELS, LSE, GRAD, OUT, start, columns, soft_cap, z_loss, at_label, at_every,
    CAPPED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, one row: the gradient of its logits before the cap, from that of its loss.

    ``at_label`` is 1 - label_smoothing, ``at_every`` label_smoothing / v.
    """
    row = tl.program_id(0).to(tl.int64)
    lse = tl.load(LSE + row)
    grad = tl.load(GRAD + row)
    label = tl.load(LABELS + row).to(tl.int64) - start
    through_lse = 1.0 + 2.0 * z_loss * lse
    for first in range(0, columns, BLOCK):
        column = first + tl.arange(0, BLOCK)
        live = column < columns
        logit = tl.load(LOGITS + row * columns + column, mask=live, other=0.0)
        slope = tl.full([BLOCK], 1.0, tl.float32)
        if CAPPED:
            bent = tanh(logit / soft_cap)
            slope = 1.0 - bent * bent
            logit = soft_cap * bent
        found = tl.exp(logit - lse) * through_lse - at_every
        found = tl.where(column == label, found - at_label, found)
        found = grad * slope * found
        tl.store(OUT + row * columns + column, found.to(OUT.dtype.element_ty), mask=live)
