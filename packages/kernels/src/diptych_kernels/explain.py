"""The public question: which implementation would run, and why not the others?"""

from collections.abc import Iterable

import torch

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import OPERATIONS, Explanation
from diptych_kernels.situation import Situation


def explain(
    operation: str,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | Iterable[torch.dtype] = torch.float32,
    width: int | None = None,
    implementation: str | None = None,
) -> Explanation:
    """Says which implementation of an operation a call would run, without running it.

    Args:
        operation: Its name; :func:`operations` lists them.
        device: Where the inputs would be; the accelerator if there is one, else the CPU.
        dtype: Dtype, or dtypes, of the inputs.
        width: Length of a row, where known: kernels have a longest one.
        implementation: What the call would pass as ``implementation=``.

    Returns:
        The choice, who made it, and a reason for each implementation not chosen. Prints well.
    """
    if operation not in OPERATIONS:
        raise ValueError(
            f"there is no operation {operation!r}; operations: {', '.join(operations())}"
        )
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    dtypes = frozenset([dtype]) if isinstance(dtype, torch.dtype) else frozenset(dtype)
    situation = Situation(torch.device(device), dtypes, width)
    return OPERATIONS[operation].explain(requested(implementation), situation)


def operations() -> tuple[str, ...]:
    """The names of the operations, sorted."""
    return tuple(sorted(OPERATIONS))
