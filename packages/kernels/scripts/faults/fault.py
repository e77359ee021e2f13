"""A fault to plant."""

from typing import NamedTuple


class Fault(NamedTuple):
    """``old``, found exactly once in ``file`` below ``src/diptych_kernels``, becomes ``new``."""

    name: str
    file: str
    old: str
    new: str
