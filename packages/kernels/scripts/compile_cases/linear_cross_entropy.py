"""``linear_cross_entropy``: tiles of 32768 words and of 301, with and without a soft cap."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.linear_cross_entropy.fused import BLOCK, WARPS
from diptych_kernels.ops.linear_cross_entropy.kernels import fold_kernel, gradient_kernel


def _case(name: str, kernel: Any, columns: int, capped: bool) -> Case:
    def pointers(dtype: str) -> dict[str, str]:
        state = dict.fromkeys(("LOGITS", "STATE", "LSE", "GRAD"), "fp32")
        return state | {"LABELS": "i64", "OUT": dtype}

    numbers: dict[str, object] = {
        "start": columns, "columns": columns, "soft_cap": 30.0, "z_loss": 1e-4,
        "at_label": 0.9, "at_every": 1e-6, "CAPPED": capped, "BLOCK": BLOCK,
    }  # fmt: skip
    flags = "soft cap" if capped else "plain"
    return Case(kernel, name, f"c {columns}", flags, pointers, numbers, lambda wave: WARPS)


CASES = tuple(
    _case(name, kernel, columns, capped)
    for name, kernel in (("fold", fold_kernel), ("gradient", gradient_kernel))
    for columns, capped in ((32768, False), (32768, True), (301, False))
)
