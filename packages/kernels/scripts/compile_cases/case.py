"""What the compile report needs to know of one kernel at one size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One kernel as the launcher would launch it.

    Attributes:
        kernel: A ``triton.jit`` function.
        name: Of the kernel within its operation, such as ``forward``.
        size: In words, such as ``d 1792``.
        flags: Which optional arguments are there, in words.
        pointers: From a dtype (``bf16``, ``fp32``) to the element type of each tensor argument,
            ``none`` for an absent one.
        numbers: Every other argument, as for contiguous tensors.
        warps: From the number of threads in lockstep to the number of warps.
        dtypes: Of the tensors.
    """

    kernel: Any
    name: str
    size: str
    flags: str
    pointers: Callable[[str], dict[str, str]]
    numbers: dict[str, object]
    warps: Callable[[int], int]
    dtypes: tuple[str, ...] = ("bf16", "fp32")
