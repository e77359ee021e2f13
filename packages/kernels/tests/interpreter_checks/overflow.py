"""Integer overflow in the interpreter, which wraps silently there as on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from triton.runtime.interpreter import interpreter_builder


@contextmanager
def checked_overflow() -> Iterator[None]:
    """Turns on triton's own overflow assertions for 32-bit sums, differences and products."""
    before = interpreter_builder.options
    interpreter_builder.options = replace(before, debug=True, sanitize_overflow=True)
    try:
        yield
    finally:
        interpreter_builder.options = before
