"""``nearest_code``: a codebook of 65536 codes as wide as SigLIP's features, and one of width 8."""

from typing import Any

import torch

from compile_cases.case import Case
from diptych_kernels.launching import power_of_two
from diptych_kernels.ops.nearest_code.kernels import finish_kernel, search_kernel, terms_kernel
from diptych_kernels.ops.nearest_code.launch import launch_for, split_for


ROWS = 5832
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def _pointers(dtype: str) -> dict[str, str]:
    return dict.fromkeys(("X", "CODES"), dtype) | {
        "TERMS": "fp32", "SCORES": "fp32", "INDICES": "i32", "CHOSEN": "i64", "DISTANCES": "fp32",
    }  # fmt: skip


def _case(name: str, kernel: Any, codes: int, width: int, cosine: bool, dtype: str) -> Case:
    launch = launch_for(width, frozenset([DTYPES[dtype]]))
    split = split_for(ROWS, codes, launch)
    numbers: dict[str, object] = {
        "x_n": width, "x_d": 1, "code_k": width, "code_d": 1,
        "rows": ROWS, "codes": codes, "width": width, "shares": split.shares,
        "codes_each": split.codes_each, "row_blocks": split.row_blocks,
        "COSINE": cosine, "PRECISION": "ieee",
        "BLOCK_ROWS": launch.rows, "BLOCK_CODES": launch.codes, "BLOCK_D": launch.columns,
        "BLOCK_SHARES": power_of_two(split.shares),
    }  # fmt: skip
    warps = launch.warps
    if kernel is not search_kernel:
        numbers |= {"BLOCK_CODES": 32, "BLOCK_ROWS": 16, "BLOCK_D": 64}
        warps = 4
    flags = "cosine" if cosine else "euclidean"
    size = f"k {codes} d {width}"
    return Case(kernel, name, size, flags, _pointers, numbers, lambda wave: warps, (dtype,))


CASES = tuple(
    _case(name, kernel, codes, width, cosine, dtype)
    for name, kernel in (
        ("terms", terms_kernel), ("search", search_kernel), ("finish", finish_kernel)
    )
    for codes, width, cosine in ((65536, 1536, False), (16384, 8, True))
    for dtype in DTYPES
)  # fmt: skip
