"""One preparation of triton's language for each launch, not one for each call within it.

A ``triton.jit`` function that calls another makes the interpreter walk over all of
``triton.language`` again, for nothing: what it replaces there it has replaced before. That would
be a third of the time of all tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import triton.language as tl
from triton.runtime import interpreter
from triton.runtime.interpreter import GridExecutor

from interpreter_checks.patching import replaced


_LANGUAGES = (tl, tl.core)


@contextmanager
def patched_once() -> Iterator[None]:
    """Skips what a launch has done already."""
    stock_patch, stock_launch = interpreter._patch_lang, GridExecutor.__call__
    ready: set[str] = set()
    seen: dict[Any, set[str]] = {}

    def patch(function: Any) -> object:
        if function not in seen:
            names = function.__globals__.values()
            seen[function] = {a.__name__ for a in _LANGUAGES if any(b is a for b in names)}
        if seen[function] <= ready:
            return None  # a call within the launch, which asks for nothing back
        ready.update(seen[function])
        return stock_patch(function)

    def launch(self: Any, *args: Any, **kwargs: Any) -> Any:
        ready.clear()
        return stock_launch(self, *args, **kwargs)

    with replaced(interpreter, _patch_lang=patch), replaced(GridExecutor, __call__=launch):
        yield
