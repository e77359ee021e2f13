"""``gated_residual_norm`` in a Lumina head (all flags) and in a 7 B language model (none)."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.gated_residual_norm.kernels import backward_kernel, forward_kernel
from diptych_kernels.ops.gated_residual_norm.launch import backward_rows, launch_for


TOKENS, BATCH = 64, 128


def _case(name: str, kernel: Any, width: int, full: bool) -> Case:
    def pointers(dtype: str) -> dict[str, str]:
        optional = dtype if full else "none"
        types = dict.fromkeys(("X", "WEIGHT", "H", "Z", "GRAD_H", "GRAD_Z", "GRAD_X"), dtype)
        types |= dict.fromkeys(("BRANCH_WEIGHT", "GATE", "SCALE", "GRAD_Y"), optional)
        types["Y"] = dtype if full or kernel is forward_kernel else "none"
        return types | {"NORM_SUMS": "fp32", "BRANCH_SUMS": "fp32" if full else "none"}

    flags = "lumina" if full else "residual add"
    warps = launch_for(width).warps
    return Case(kernel, name, f"d {width}", flags, pointers, _numbers(width, full), warps)


def _numbers(width: int, full: bool) -> dict[str, object]:
    present = int(full)
    numbers: dict[str, object] = {}
    for tensor in ("x", "y", "h", "grad_h", "grad_z"):
        strides = (TOKENS * width, width, 1)
        numbers |= {f"{tensor}_{axis}": s for axis, s in zip("bnd", strides, strict=True)}
    for tensor in ("gate", "scale"):
        numbers |= {f"{tensor}_b": width * present, f"{tensor}_d": present}
    rows = TOKENS if full else TOKENS * BATCH
    each = backward_rows(rows, TOKENS * BATCH)
    return numbers | {
        "weight_d": 1,
        "branch_weight_d": present,
        "tokens": TOKENS,
        "width": width,
        "eps": 1e-6,
        "rows_in_group": rows,
        "programs_in_group": rows // each,
        "ROWS": each,
        "BLOCK": launch_for(width).block,
    }


CASES = tuple(
    _case(name, kernel, width, full)
    for name, kernel in (("forward", forward_kernel), ("backward", backward_kernel))
    for width, full in ((1792, True), (1793, True), (3584, False), (4096, True))
)
