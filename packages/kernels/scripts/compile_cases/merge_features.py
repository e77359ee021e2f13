"""``merge_features`` in a 7 B language model: 8 sequences of 2048, pictures of 576 tokens."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.merge_features.kernels import gather_kernel, merge_kernel
from diptych_kernels.ops.merge_features.launch import BLOCK, WARPS, span_block


BATCH, LENGTH, PICTURE = 8, 2048, 576


def _case(name: str, kernel: Any, spans: int, width: int) -> Case:
    def pointers(dtype: str) -> dict[str, str]:
        there = dict.fromkeys(("EMBEDS", "FEATURES", "OUT", "GRAD"), dtype) | {"SPANS": "i64"}
        return there | ({"FEATURES": "none"} if name == "gradient of embeds" else {})

    numbers: dict[str, object] = {
        "embed_b": LENGTH * width, "embed_s": width, "embed_d": 1,
        "grad_b": LENGTH * width, "grad_s": width, "grad_d": 1,
        "feature_t": width, "feature_d": 1, "span_j": 3, "span_i": 1,
        "batch": BATCH, "length": LENGTH, "width": width, "tokens": spans * PICTURE,
        "spans": spans, "BLOCK_SPANS": span_block(spans), "BLOCK": BLOCK,
    }  # fmt: skip
    size = f"d {width}, {spans} spans"
    return Case(kernel, name, size, "contiguous", pointers, numbers, lambda wave: WARPS)


CASES = tuple(
    _case(name, kernel, spans, width)
    for name, kernel in (
        ("forward", merge_kernel), ("gradient of embeds", merge_kernel),
        ("gradient of features", gather_kernel),
    )
    for spans, width in ((32, 3584), (1024, 3584), (32, 3583))
)  # fmt: skip
