"""Faults in ``nearest_code``."""

from faults.fault import Fault


TESTS = ("test_nearest_code_properties.py", "test_nearest_code_large_offsets.py")

_OP = "ops/nearest_code/"
_KERNELS = _OP + "kernels.py"

FAULTS = (
    Fault("terms: width mask one too long", _KERNELS,
          "live = (code < codes)[:, None] & (column < width)[None, :]",
          "live = (code < codes)[:, None] & (column <= width)[None, :]"),
    Fault("terms: code mask forgotten", _KERNELS,
          "tl.store(TERMS + code, term, mask=code < codes)", "tl.store(TERMS + code, term)"),
    Fault("terms: only the last block of columns", _KERNELS,
          "squares += tl.sum(c * c, axis=1)", "squares = tl.sum(c * c, axis=1)"),
    Fault("terms: squares summed in bfloat16", _KERNELS,
          "squares += tl.sum(c * c, axis=1)",
          "squares += tl.sum((c * c).to(tl.bfloat16).to(tl.float32), axis=1)"),
    Fault("terms: not halved", _KERNELS, "else 0.5 * squares", "else squares"),
    Fault("terms: a zero code is infinitely near", _KERNELS,
          "tl.where(squares == 0.0, 0.0, tl.rsqrt(squares))", "tl.rsqrt(squares)"),
    Fault("search: codes beyond the codebook win", _KERNELS,
          'tl.where((code < end)[None, :], score, float("inf"))', "score"),
    Fault("search: mask of columns one too short", _KERNELS,
          "live = (row < rows)[:, None] & (column < width)[None, :]",
          "live = (row < rows)[:, None] & (column < width - 1)[None, :]"),
    Fault("search: rows beyond the last are stored", _KERNELS,
          "tl.store(SCORES + out, best, mask=row < rows)", "tl.store(SCORES + out, best)"),
    Fault("search: the last of equals in a block", _KERNELS,
          "lowest = tl.min(tl.where(score == least[:, None], code[None, :], codes), axis=1)",
          "lowest = tl.max(tl.where(score == least[:, None], code[None, :], 0), axis=1)"),
    Fault("search: a later block wins ties", _KERNELS,
          "tl.where(least < best, lowest, index)", "tl.where(least <= best, lowest, index)"),
    Fault("search: keeps the index of the first block", _KERNELS,
          "index = tl.where(least < best, lowest, index)", "index = index"),
    Fault("search: code offsets in int32", _KERNELS,
          "CODES + code.to(tl.int64)[None, :] * code_k", "CODES + code[None, :] * code_k"),
    Fault("search: NaN is passed over", _KERNELS,
          'tl.where(score != score, float("-inf"), score)',
          'tl.where(score != score, float("inf"), score)'),
    Fault("search: product kept in bfloat16", _KERNELS,
          "product = tl.dot(x, c, product, input_precision=PRECISION)",
          "product = tl.dot(x, c, product, input_precision=PRECISION).to(tl.bfloat16)"
          ".to(tl.float32)"),
    Fault("search: inputs of two dtypes meet in bfloat16", _KERNELS,
          "                x = x.to(tl.float32)\n                c = c.to(tl.float32)\n"
          "            product",
          "                x = x.to(tl.bfloat16)\n                c = c.to(tl.bfloat16)\n"
          "            product"),
    Fault("finish: a later share wins ties", _KERNELS,
          "first = tl.min(tl.where(score == least[:, None], share[None, :], BLOCK_SHARES), axis=1)",
          "first = tl.max(tl.where(score == least[:, None], share[None, :], 0), axis=1)"),
    Fault("finish: the first share always", _KERNELS,
          "INDICES + first.to(tl.int64) * rows + row", "INDICES + row"),
    Fault("finish: only the last block of columns", _KERNELS,
          "near += (x - c) * (x - c)", "near = (x - c) * (x - c)"),
    Fault("finish: cosine with the length of x twice", _KERNELS,
          "c_square += c * c", "c_square += x * x"),
    Fault("finish: column mask one too long", _KERNELS,
          "live = there[:, None] & (column < width)[None, :]",
          "live = there[:, None] & (column <= width)[None, :]"),
    Fault("finish: offset of the chosen code in int32", _KERNELS,
          "mask=there, other=0).to(tl.int64)", "mask=there, other=0)"),
    Fault("launch: the last codes belong to no share", _OP + "launch.py",
          "code_blocks = -(-codes // launch.codes)", "code_blocks = max(1, codes // launch.codes)"),
)  # fmt: skip
