"""What is known of tensors before any is read: type and shape."""

from __future__ import annotations

from math import prod

from attrs import frozen


WIDTHS = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of one number by its type, as safetensors names it."""


@frozen
class TensorFacts:
    """Type (as safetensors names it) and shape of a tensor, and the file it is in."""

    dtype: str
    shape: tuple[int, ...]
    file: str = ""

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * self.width

    @property
    def width(self) -> int:
        """Bytes of one number."""
        return WIDTHS[self.dtype]

    @property
    def floating(self) -> bool:
        """Whether it holds floating-point numbers."""
        return self.dtype.startswith(("F", "BF"))

    def __str__(self) -> str:
        """Render as `BF16 [3 4]`."""
        return f"{self.dtype} [{' '.join(map(str, self.shape))}]"
