"""Loops to a bound that is known at run time: triton 3.6 makes an integer of an array of one.

numpy refuses that since 2.4. Later versions of triton take the array's only element.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from triton.runtime import interpreter

from interpreter_checks.patching import replaced


@contextmanager
def whole_numbers() -> Iterator[None]:
    """Lets ``range`` take a scalar of triton's."""
    stock = interpreter._patch_lang_tensor

    def patch(tensor: Any, scope: Any) -> None:
        stock(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.squeeze()))

    with replaced(interpreter, _patch_lang_tensor=patch):
        yield
