"""``guided_step`` on the features of a Lumina head (64 x 1792) and on latents of 16 x 128 x 128."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.launching import power_of_two
from diptych_kernels.ops.guided_step.kernels import moments_kernel, step_kernel
from diptych_kernels.ops.guided_step.launch import BLOCK, WARPS, parts_for


def _case(name: str, kernel: Any, size: int, full: bool) -> Case:
    def pointers(dtype: str) -> dict[str, str]:
        optional = dtype if full else "none"
        number = "fp32" if full else "none"
        return {
            "X": "fp32", "CONDITIONAL": dtype, "NULL": dtype, "BEFORE": "fp32" if full else "none",
            "MOMENTS": "fp32" if full else "none", "OUT": "fp32", "VELOCITY": number,
            "DT": number, "SCALE": number, "RATIO": number,
        } | ({"NULL": optional} if kernel is step_kernel and not full else {})  # fmt: skip

    parts = parts_for(size)
    numbers: dict[str, object] = {"dt": 0.1, "scale": 3.0, "ratio": 1.5, "rescale": 0.7}
    for tensor in ("x", "conditional", "null", "before"):
        numbers |= {f"{tensor}_b": size, f"{tensor}_m": 1}
    numbers |= {
        "size": size, "blocks": -(-size // BLOCK), "size_each": parts.each, "parts": parts.number,
        "BLOCK": BLOCK, "BLOCK_PARTS": power_of_two(parts.number),
    }  # fmt: skip
    flags = "guided, rescaled, two steps" if full else "euler alone"
    return Case(kernel, name, f"m {size}", flags, pointers, numbers, lambda wave: WARPS)


CASES = tuple(
    _case(name, kernel, size, full)
    for name, kernel, full in (
        ("moments", moments_kernel, True), ("step", step_kernel, True), ("step", step_kernel, False)
    )
    for size in (64 * 1792, 16 * 128 * 128, 64 * 1792 + 1)
)  # fmt: skip
