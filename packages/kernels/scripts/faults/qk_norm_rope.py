"""Faults in ``qk_norm_rope``."""

from faults.fault import Fault


TESTS = ("test_qk_norm_rope_properties.py", "test_qk_norm_rope_large_offsets.py")

_KERNELS = "ops/qk_norm_rope/kernels.py"
_LAUNCH = "ops/qk_norm_rope/launch.py"

FAULTS = (
    Fault("both: turns the wrong way", _KERNELS,
          "u * cos - v * sin, u * sin + v * cos, head",
          "u * cos + v * sin, v * cos - u * sin, head"),
    Fault("both: a head too many", _KERNELS,
          "there = (head < heads)[:, None]\n    rows = AT + head.to(tl.int64)",
          "there = (head <= heads)[:, None]\n    rows = AT + head.to(tl.int64)"),
    Fault("both: second half starts one channel late", _KERNELS,
          "rows + (d + pairs) * stride", "rows + (d + pairs - 1) * stride"),
    Fault("both: parts adjacent pairs as halves", _KERNELS,
          "tl.split(tl.reshape(both.to(tl.float32), [HEADS, PAIRS, 2]))",
          "tl.split(tl.trans(tl.reshape(both.to(tl.float32), [HEADS, 2, PAIRS]), 0, 2, 1))"),
    Fault("both: angles of the sample before", _KERNELS,
          "tl.load(COS + b * cos_b + n * cos_n", "tl.load(COS + (b - (b > 0)) * cos_b + n * cos_n"),
    Fault("norm: variance of a row is not centred", _KERNELS,
          "        u = tl.where(live, u - mean, 0.0)\n        v = tl.where(live, v - mean, 0.0)\n",
          ""),
    Fault("norm: mean over the block, not the head", _KERNELS,
          "squares / (2.0 * pairs) + eps", "squares / (2.0 * PAIRS) + eps"),
    Fault("norm: padding counts in the variance", _KERNELS,
          "u = tl.where(live, u - mean, 0.0)", "u = u - mean"),
    Fault("norm: squares accumulated in bfloat16", _KERNELS,
          "squares = tl.sum(u * u + v * v, axis=1)",
          "squares = tl.sum((u * u + v * v).to(tl.bfloat16).to(tl.float32), axis=1)"),
    Fault("forward: heads beyond the first part are left out", _KERNELS,
          "head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)\n    u, v",
          "head = tl.arange(0, HEADS)\n    u, v"),
    Fault("forward: column offsets in int32", _KERNELS,
          "d = pair.to(tl.int64)[None, :]", "d = pair[None, :]"),
    Fault("forward: token offsets in int32", _KERNELS,
          "    b = (token // tokens).to(tl.int64)\n    n = (token % tokens).to(tl.int64)\n"
          "    cos, sin",
          "    b = token // tokens\n    n = token % tokens\n    cos, sin"),
    Fault("backward: gradient turned forward again", _KERNELS,
          "du = gu * cos + gv * sin", "du = gu * cos - gv * sin"),
    Fault("backward: row norm misses the mean", _KERNELS,
          "du = rstd * (du - mean - u * along)", "du = rstd * (du - u * along)"),
    Fault("backward: projection of the row, not of the head", _KERNELS,
          "along = (tl.sum(du * u + dv * v, axis=1) / (2.0 * pairs))[:, None]",
          "along = tl.sum(tl.sum(du * u + dv * v, axis=1), axis=0) / (2.0 * pairs * heads)"),
    Fault("backward: weight gradient of the unnormalised row", _KERNELS,
          "u_sum += du * u\n", "u_sum += du * u / rstd\n"),
    Fault("backward: sums kept in bfloat16", _KERNELS,
          "v_sum += dv * v\n", "v_sum = (v_sum + dv * v).to(tl.bfloat16).to(tl.float32)\n"),
    Fault("backward: a token beyond the last", _KERNELS,
          "there = tl.where(token < every, heads, 0)",
          "there = tl.where(token <= every, heads, 0)"),
    Fault("backward: programs share one sum", _KERNELS,
          "sums = tl.program_id(0).to(tl.int64) * heads", "sums = tl.program_id(0) * 0 * heads"),
    Fault("backward: bias gradient of k is that of q", _LAUNCH,
          "shared(of_k[1], k_bias)", "shared(of_q[1], k_bias)"),
)  # fmt: skip
