"""``gated_residual_norm`` in a Lumina head and in a 7 B language model."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.gated_residual_norm.kernels import backward_kernel, forward_kernel
from diptych_kernels.ops.gated_residual_norm.launch import backward_rows, launch_for


TOKENS, BATCH = 64, 128


def _case(name: str, kernel: Any, width: int, flags: str) -> Case:
    """``lumina`` has all flags, ``lumina end`` no second norm, ``residual add`` nothing else."""
    branch, norm = flags != "residual add", flags != "lumina end"

    def pointers(dtype: str) -> dict[str, str]:
        types = dict.fromkeys(("X", "H", "GRAD_H", "GRAD_X"), dtype)
        types |= dict.fromkeys(("BRANCH_WEIGHT", "GATE", "GRAD_Y"), dtype if branch else "none")
        types |= dict.fromkeys(("WEIGHT", "Z", "GRAD_Z"), dtype if norm else "none")
        types["SCALE"] = dtype if branch and norm else "none"
        types["Y"] = dtype if branch or kernel is forward_kernel else "none"
        types["NORM_SUMS"] = "fp32" if norm else "none"
        return types | {"BRANCH_SUMS": "fp32" if branch else "none"}

    numbers, warps = _numbers(width, branch, norm), launch_for(width).warps
    return Case(kernel, name, f"d {width}", flags, pointers, numbers, warps)


def _numbers(width: int, branch: bool, norm: bool) -> dict[str, object]:
    numbers: dict[str, object] = {}
    for tensor in ("x", "y", "h", "grad_h", "grad_z"):
        there = norm or tensor != "grad_z"
        strides = (TOKENS * width, width, 1) if there else (0, 0, 0)
        numbers |= {f"{tensor}_{axis}": s for axis, s in zip("bnd", strides, strict=True)}
    for tensor, present in (("gate", int(branch)), ("scale", int(branch and norm))):
        numbers |= {f"{tensor}_b": width * present, f"{tensor}_d": present}
    rows = TOKENS if branch else TOKENS * BATCH
    each = backward_rows(rows, TOKENS * BATCH)
    return numbers | {
        "weight_d": int(norm),
        "branch_weight_d": int(branch),
        "tokens": TOKENS,
        "width": width,
        "eps": 1e-6,
        "rows_in_group": rows,
        "programs_in_group": rows // each,
        "ROWS": each,
        "BLOCK": launch_for(width).block,
    }


SIZES = (
    (1792, "lumina"),
    (1793, "lumina"),
    (1792, "lumina end"),
    (3584, "residual add"),
    (4096, "lumina"),
)
CASES = tuple(
    _case(name, kernel, width, flags)
    for name, kernel in (("forward", forward_kernel), ("backward", backward_kernel))
    for width, flags in SIZES
)
