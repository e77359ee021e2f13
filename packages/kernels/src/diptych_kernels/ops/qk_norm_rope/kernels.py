# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``qk_norm_rope``: heads of a token stay in registers, split into pairs.

An argument in capitals is a pointer; one that is None is compiled out, and with it its branch.
``u`` and ``v`` are the two channels of all pairs, ``[HEADS, PAIRS]``. Strides are in elements;
offsets are int64, since every part may exceed 2^31 elements. Arithmetic is in float32.
"""

import triton
import triton.language as tl


@triton.jit
def _load(AT, head, head_stride, stride, heads, pairs,
          ADJACENT: tl.constexpr, HEADS: tl.constexpr, PAIRS: tl.constexpr):  # fmt: skip
    """Both channels of all pairs, ``[HEADS, PAIRS]`` each; 0 where there is none."""
    there = (head < heads)[:, None]
    rows = AT + head.to(tl.int64)[:, None] * head_stride
    if ADJACENT:
        # Loaded side by side, 16 bytes at a time, and parted in registers.
        channel = tl.arange(0, 2 * PAIRS)
        live = there & (channel < 2 * pairs)[None, :]
        both = tl.load(rows + channel.to(tl.int64)[None, :] * stride, mask=live, other=0.0)
        u, v = tl.split(tl.reshape(both.to(tl.float32), [HEADS, PAIRS, 2]))
    else:
        pair = tl.arange(0, PAIRS)
        live = there & (pair < pairs)[None, :]
        d = pair.to(tl.int64)[None, :]
        u = tl.load(rows + d * stride, mask=live, other=0.0).to(tl.float32)
        v = tl.load(rows + (d + pairs) * stride, mask=live, other=0.0).to(tl.float32)
    return u, v


@triton.jit
def _store(AT, u, v, head, heads, pairs,
           ADJACENT: tl.constexpr, HEADS: tl.constexpr, PAIRS: tl.constexpr):  # fmt: skip
    """The inverse of ``_load`` for contiguous heads."""
    there = (head < heads)[:, None]
    rows = AT + head[:, None] * (2 * pairs)
    if ADJACENT:
        channel = tl.arange(0, 2 * PAIRS)
        both = tl.reshape(tl.join(u, v), [HEADS, 2 * PAIRS])
        live = there & (channel < 2 * pairs)[None, :]
        tl.store(rows + channel[None, :], both.to(AT.dtype.element_ty), mask=live)
    else:
        pair = tl.arange(0, PAIRS)
        live = there & (pair < pairs)[None, :]
        tl.store(rows + pair[None, :], u.to(AT.dtype.element_ty), mask=live)
        tl.store(rows + pairs + pair[None, :], v.to(AT.dtype.element_ty), mask=live)


@triton.jit
def _angles(COS, SIN, b, n, cos_b, cos_n, cos_p, sin_b, sin_n, sin_p, pairs,
            PAIRS: tl.constexpr):  # fmt: skip
    pair = tl.arange(0, PAIRS)
    live = pair < pairs
    p = pair.to(tl.int64)
    cos = tl.load(COS + b * cos_b + n * cos_n + p * cos_p, mask=live, other=0.0)
    sin = tl.load(SIN + b * sin_b + n * sin_n + p * sin_p, mask=live, other=0.0)
    return cos.to(tl.float32)[None, :], sin.to(tl.float32)[None, :]


@triton.jit
def _unit(u, v, head, heads, pairs, eps, NORM: tl.constexpr, PAIRS: tl.constexpr):
    """The normalised pairs and the factor of the norm, which is one a head or one for all."""
    if NORM == "head":
        squares = tl.sum(u * u + v * v, axis=1)
        rstd = tl.rsqrt(squares / (2.0 * pairs) + eps)[:, None]
    else:
        count = 2.0 * heads * pairs
        mean = tl.sum(tl.sum(u + v, axis=1), axis=0) / count
        live = (head < heads)[:, None] & (tl.arange(0, PAIRS) < pairs)[None, :]
        u = tl.where(live, u - mean, 0.0)
        v = tl.where(live, v - mean, 0.0)
        squares = tl.sum(tl.sum(u * u + v * v, axis=1), axis=0)
        rstd = tl.rsqrt(squares / count + eps)
    return u * rstd, v * rstd, rstd


@triton.jit
def _turn(A, WEIGHT, BIAS, OUT, b, n, token, cos, sin, a_b, a_n, a_h, a_d,
          weight_h, weight_d, bias_h, bias_d, heads, pairs, eps,
          NORM: tl.constexpr, ADJACENT: tl.constexpr,
          HEADS: tl.constexpr, PAIRS: tl.constexpr):  # fmt: skip
    """HEADS heads of one token of q or k."""
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    u, v = _load(A + b * a_b + n * a_n, head, a_h, a_d, heads, pairs, ADJACENT, HEADS, PAIRS)
    if NORM is not None:
        u, v, _ = _unit(u, v, head, heads, pairs, eps, NORM, PAIRS)
        wu, wv = _load(WEIGHT, head, weight_h, weight_d, heads, pairs, ADJACENT, HEADS, PAIRS)
        u *= wu
        v *= wv
        if BIAS is not None:
            bu, bv = _load(BIAS, head, bias_h, bias_d, heads, pairs, ADJACENT, HEADS, PAIRS)
            u += bu
            v += bv
    out = OUT + token.to(tl.int64) * heads * (2 * pairs)
    _store(out, u * cos - v * sin, u * sin + v * cos, head, heads, pairs, ADJACENT, HEADS, PAIRS)


@triton.jit
def forward_kernel(
    Q, K, COS, SIN, Q_WEIGHT, K_WEIGHT, Q_BIAS, K_BIAS, Q_OUT, K_OUT,
    q_b, q_n, q_h, q_d, k_b, k_n, k_h, k_d,
    cos_b, cos_n, cos_p, sin_b, sin_n, sin_p,
    q_weight_h, q_weight_d, k_weight_h, k_weight_d, q_bias_h, q_bias_d, k_bias_h, k_bias_d,
    tokens, q_heads, k_heads, pairs, eps,
    NORM: tl.constexpr, ADJACENT: tl.constexpr,
    Q_HEADS: tl.constexpr, K_HEADS: tl.constexpr, PAIRS: tl.constexpr,
):  # fmt: skip
    """One program, one token: Q_HEADS of its queries, K_HEADS of its keys. Outputs contiguous."""
    token = tl.program_id(0)
    b = (token // tokens).to(tl.int64)
    n = (token % tokens).to(tl.int64)
    cos, sin = _angles(COS, SIN, b, n, cos_b, cos_n, cos_p, sin_b, sin_n, sin_p, pairs, PAIRS)
    _turn(Q, Q_WEIGHT, Q_BIAS, Q_OUT, b, n, token, cos, sin, q_b, q_n, q_h, q_d,
          q_weight_h, q_weight_d, q_bias_h, q_bias_d, q_heads, pairs, eps,
          NORM, ADJACENT, Q_HEADS, PAIRS)  # fmt: skip
    if K is not None:
        _turn(K, K_WEIGHT, K_BIAS, K_OUT, b, n, token, cos, sin, k_b, k_n, k_h, k_d,
              k_weight_h, k_weight_d, k_bias_h, k_bias_d, k_heads, pairs, eps,
              NORM, ADJACENT, K_HEADS, PAIRS)  # fmt: skip


@triton.jit
def _turn_back(GRAD, A, WEIGHT, COS, SIN, GRAD_A, WEIGHT_SUMS, BIAS_SUMS,
               grad_b, grad_n, grad_h, grad_d, a_b, a_n, a_h, a_d,
               cos_b, cos_n, cos_p, sin_b, sin_n, sin_p, weight_h, weight_d,
               every, tokens, heads, pairs, eps, ROWS: tl.constexpr, NORM: tl.constexpr,
               ADJACENT: tl.constexpr, HEADS: tl.constexpr, PAIRS: tl.constexpr):  # fmt: skip
    """HEADS heads of ROWS tokens of q or k, and this program's sums for weight and bias."""
    start = tl.program_id(0) * ROWS
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    if NORM is not None:
        wu, wv = _load(WEIGHT, head, weight_h, weight_d, heads, pairs, ADJACENT, HEADS, PAIRS)
        u_sum = tl.zeros([HEADS, PAIRS], dtype=tl.float32)
        v_sum = tl.zeros([HEADS, PAIRS], dtype=tl.float32)
        if BIAS_SUMS is not None:
            u_bias = tl.zeros([HEADS, PAIRS], dtype=tl.float32)
            v_bias = tl.zeros([HEADS, PAIRS], dtype=tl.float32)
    for i in range(ROWS):
        token = start + i
        there = tl.where(token < every, heads, 0)  # no heads beyond the last token
        b = (token // tokens).to(tl.int64)
        n = (token % tokens).to(tl.int64)
        live = tl.where(token < every, pairs, 0)
        cos, sin = _angles(COS, SIN, b, n, cos_b, cos_n, cos_p, sin_b, sin_n, sin_p, live, PAIRS)
        gu, gv = _load(GRAD + b * grad_b + n * grad_n, head, grad_h, grad_d, there, pairs,
                       ADJACENT, HEADS, PAIRS)  # fmt: skip
        du = gu * cos + gv * sin
        dv = gv * cos - gu * sin
        if NORM is not None:
            u, v = _load(A + b * a_b + n * a_n, head, a_h, a_d, there, pairs,
                         ADJACENT, HEADS, PAIRS)  # fmt: skip
            # Rows beyond the last token are all zero; with eps = 0 they would be 0 * inf.
            safe = tl.where(token < every, eps, 1.0)
            u, v, rstd = _unit(u, v, head, heads, pairs, safe, NORM, PAIRS)
            u_sum += du * u
            v_sum += dv * v
            if BIAS_SUMS is not None:
                u_bias += du
                v_bias += dv
            du *= wu
            dv *= wv
            if NORM == "head":
                along = (tl.sum(du * u + dv * v, axis=1) / (2.0 * pairs))[:, None]
                du = rstd * (du - u * along)
                dv = rstd * (dv - v * along)
            else:
                count = 2.0 * heads * pairs
                along = tl.sum(tl.sum(du * u + dv * v, axis=1), axis=0) / count
                mean = tl.sum(tl.sum(du + dv, axis=1), axis=0) / count
                du = rstd * (du - mean - u * along)
                dv = rstd * (dv - mean - v * along)
        out = GRAD_A + token.to(tl.int64) * heads * (2 * pairs)
        _store(out, du, dv, head, there, pairs, ADJACENT, HEADS, PAIRS)
    if NORM is not None:
        sums = tl.program_id(0).to(tl.int64) * heads * (2 * pairs)
        _store(WEIGHT_SUMS + sums, u_sum, v_sum, head, heads, pairs, ADJACENT, HEADS, PAIRS)
        if BIAS_SUMS is not None:
            _store(BIAS_SUMS + sums, u_bias, v_bias, head, heads, pairs, ADJACENT, HEADS, PAIRS)


@triton.jit
def backward_kernel(
    GRAD_Q_OUT, GRAD_K_OUT, Q, K, COS, SIN, Q_WEIGHT, K_WEIGHT,
    GRAD_Q, GRAD_K, Q_WEIGHT_SUMS, K_WEIGHT_SUMS, Q_BIAS_SUMS, K_BIAS_SUMS,
    grad_q_b, grad_q_n, grad_q_h, grad_q_d, grad_k_b, grad_k_n, grad_k_h, grad_k_d,
    q_b, q_n, q_h, q_d, k_b, k_n, k_h, k_d,
    cos_b, cos_n, cos_p, sin_b, sin_n, sin_p,
    q_weight_h, q_weight_d, k_weight_h, k_weight_d,
    every, tokens, q_heads, k_heads, pairs, eps,
    ROWS: tl.constexpr, NORM: tl.constexpr, ADJACENT: tl.constexpr,
    Q_HEADS: tl.constexpr, K_HEADS: tl.constexpr, PAIRS: tl.constexpr,
):  # fmt: skip
    """One program, ROWS tokens: gradients of q and k, and sums over these tokens.

    The sums, ``program heads d``, are those of ``grad_y * unit`` and ``grad_y``; the launcher adds
    them up over programs (and heads, if the norm is one of each head). No atomics.
    """
    if GRAD_Q_OUT is not None:
        _turn_back(GRAD_Q_OUT, Q, Q_WEIGHT, COS, SIN, GRAD_Q, Q_WEIGHT_SUMS, Q_BIAS_SUMS,
                   grad_q_b, grad_q_n, grad_q_h, grad_q_d, q_b, q_n, q_h, q_d,
                   cos_b, cos_n, cos_p, sin_b, sin_n, sin_p, q_weight_h, q_weight_d,
                   every, tokens, q_heads, pairs, eps,
                   ROWS, NORM, ADJACENT, Q_HEADS, PAIRS)  # fmt: skip
    if GRAD_K_OUT is not None:
        _turn_back(GRAD_K_OUT, K, K_WEIGHT, COS, SIN, GRAD_K, K_WEIGHT_SUMS, K_BIAS_SUMS,
                   grad_k_b, grad_k_n, grad_k_h, grad_k_d, k_b, k_n, k_h, k_d,
                   cos_b, cos_n, cos_p, sin_b, sin_n, sin_p, k_weight_h, k_weight_d,
                   every, tokens, k_heads, pairs, eps,
                   ROWS, NORM, ADJACENT, K_HEADS, PAIRS)  # fmt: skip
