"""``qk_norm_rope`` in a Lumina head (row norm, adjacent pairs), in Qwen3 8 B and in Llama 3 8 B."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.qk_norm_rope.kernels import backward_kernel, forward_kernel
from diptych_kernels.ops.qk_norm_rope.launch import backward_rows, launch_for


TOKENS, BATCH = 64, 128


def _case(
    name: str, kernel: Any, model: str, heads: int, kv_heads: int, width: int, norm: str | None
) -> Case:
    adjacent = model.startswith("lumina")
    launch = launch_for(heads, kv_heads, width // 2, norm)

    def pointers(dtype: str) -> dict[str, str]:
        optional, bias = dtype if norm else "none", dtype if norm == "row" else "none"
        sums, bias_sums = "fp32" if norm else "none", "fp32" if norm == "row" else "none"
        types = dict.fromkeys(("COS", "SIN"), "fp32")
        for of in ("Q", "K"):
            types |= dict.fromkeys((of, f"{of}_OUT", f"GRAD_{of}_OUT", f"GRAD_{of}"), dtype)
            types |= {f"{of}_WEIGHT": optional, f"{of}_BIAS": bias}
            types |= {f"{of}_WEIGHT_SUMS": sums, f"{of}_BIAS_SUMS": bias_sums}
        return types

    numbers: dict[str, object] = {
        "tokens": TOKENS, "every": TOKENS * BATCH, "q_heads": heads, "k_heads": kv_heads,
        "pairs": width // 2, "eps": 1e-6, "cos_b": 0, "sin_b": 0,
        "ROWS": backward_rows(TOKENS * BATCH), "NORM": norm or "none", "ADJACENT": adjacent,
        "Q_HEADS": launch.q_heads, "K_HEADS": launch.k_heads, "PAIRS": launch.pairs,
    }  # fmt: skip
    for table in ("cos", "sin"):
        numbers |= {f"{table}_n": width // 2, f"{table}_p": 1}
    for of, count in (("q", heads), ("k", kv_heads)):
        strides = (TOKENS * count * width, count * width, width, 1)
        for tensor in (of, f"grad_{of}"):
            numbers |= {f"{tensor}_{axis}": s for axis, s in zip("bnhd", strides, strict=True)}
        for parameter in (f"{of}_weight", f"{of}_bias"):
            numbers |= {f"{parameter}_h": width if norm == "row" else 0, f"{parameter}_d": 1}
    size = f"h {heads} g {kv_heads} d {width}"
    return Case(kernel, name, size, model, pointers, numbers, launch.warps)


CASES = tuple(
    _case(name, kernel, *model)
    for name, kernel in (("forward", forward_kernel), ("backward", backward_kernel))
    for model in (
        ("lumina", 28, 28, 64, "row"),
        ("lumina 2b", 32, 8, 72, "row"),
        ("qwen3", 32, 8, 128, "head"),
        ("llama", 32, 8, 128, None),
    )
)
