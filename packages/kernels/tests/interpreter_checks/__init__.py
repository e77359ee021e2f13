"""Makes Triton's interpreter a judge: right bfloat16, and checks that a GPU never makes.

``checked()`` wraps every launch within it. It needs triton, imported with TRITON_INTERPRET=1.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from interpreter_checks.bfloat16 import corrected_bfloat16
from interpreter_checks.memory import MemoryCheck, checked_memory
from interpreter_checks.order import program_order
from interpreter_checks.overflow import checked_overflow
from interpreter_checks.patched_once import patched_once
from interpreter_checks.whole_numbers import whole_numbers


__all__ = ["MemoryCheck", "checked"]


@contextmanager
def checked(order: str = "forward", seed: int = 0) -> Iterator[None]:
    """Applies all of them: bfloat16, bounds, races, atomics, integer overflow, program order.

    Args:
        order: In which the programs of a grid run: ``forward``, ``backward`` or ``shuffled``.
        seed: Of the shuffle.
    """
    with ExitStack() as stack:
        mended = (corrected_bfloat16(), whole_numbers(), patched_once())
        for each in (*mended, checked_overflow(), checked_memory()):
            stack.enter_context(each)
        stack.enter_context(program_order(order, seed))
        yield
