# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``merge_features``: every program looks its row up among the spans.

An argument in capitals is a pointer; one that is None is compiled out. Strides are in elements;
offsets are int64. Nothing is scattered, so no two programs write to one place.
"""

import triton
import triton.language as tl


@triton.jit
def columns(SPANS, span_j, span_i, span, live):
    """Of all spans: row, start, length, and the number of tokens before the span's own."""
    at = SPANS + span.to(tl.int64) * span_j
    row = tl.load(at, mask=live, other=-1).to(tl.int64)
    start = tl.load(at + span_i, mask=live, other=0).to(tl.int64)
    length = tl.load(at + 2 * span_i, mask=live, other=0).to(tl.int64)
    length = tl.maximum(length, 0)
    return row, start, length, tl.cumsum(length, axis=0) - length


@triton.jit
def merge_kernel(
    EMBEDS, FEATURES, SPANS, OUT,
    embed_b, embed_s, embed_d, feature_t, feature_d, span_j, span_i,
    length, width, tokens, spans, BLOCK_SPANS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, one token of the output: from embeds, or from features (0 if that is None)."""
    place = tl.program_id(0)
    b = (place // length).to(tl.int64)
    s = (place % length).to(tl.int64)
    span = tl.arange(0, BLOCK_SPANS)
    row, start, count, before = columns(SPANS, span_j, span_i, span, span < spans)
    token = before + s - start
    here = (row == b) & (start <= s) & (s < start + count) & (token < tokens)
    last = tl.max(tl.where(here, span, -1), axis=0)
    token = tl.sum(tl.where(span == last, token, 0), axis=0)
    covered = last >= 0
    for first in range(0, width, BLOCK):
        column = first + tl.arange(0, BLOCK)
        live = column < width
        d = column.to(tl.int64)
        at = EMBEDS + b * embed_b + s * embed_s + d * embed_d
        out = tl.load(at, mask=column < tl.where(covered, 0, width), other=0.0)
        if FEATURES is not None:
            at = FEATURES + token * feature_t + d * feature_d
            feature = tl.load(at, mask=column < tl.where(covered, width, 0), other=0.0)
            out = tl.where(covered, feature.to(out.dtype), out)
        tl.store(OUT + place.to(tl.int64) * width + d, out, mask=live)


@triton.jit
def gather_kernel(
    GRAD, SPANS, OUT, grad_b, grad_s, grad_d, span_j, span_i,
    batch, length, width, spans, BLOCK_SPANS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, one token of the features: its gradient, 0 if it went nowhere."""
    token = tl.program_id(0).to(tl.int64)
    span = tl.arange(0, BLOCK_SPANS)
    row, start, count, before = columns(SPANS, span_j, span_i, span, span < spans)
    own = (before <= token) & (token < before + count)
    owner = tl.max(tl.where(own, span, -1), axis=0)
    b = tl.sum(tl.where(own, row, 0), axis=0)
    s = tl.sum(tl.where(own, start + token - before, 0), axis=0)
    over = (row == b) & (start <= s) & (s < start + count) & (span > owner)
    over = over & (before + s - start < tl.num_programs(0))  # whose token is there
    hidden = tl.max(tl.where(over, 1, 0), axis=0) > 0
    inside = (owner >= 0) & (b >= 0) & (b < batch) & (s >= 0) & (s < length) & (hidden == 0)
    for first in range(0, width, BLOCK):
        column = first + tl.arange(0, BLOCK)
        live = column < width
        d = column.to(tl.int64)
        read = column < tl.where(inside, width, 0)
        grad = tl.load(GRAD + b * grad_b + s * grad_s + d * grad_d, mask=read, other=0.0)
        tl.store(OUT + token * width + d, grad.to(OUT.dtype.element_ty), mask=live)
