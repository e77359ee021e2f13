"""Replaces methods of the interpreter for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, **methods: Callable[..., Any]) -> Iterator[None]:
    """Sets methods of a class or functions of a module, and sets the old ones again at the end."""
    before = {name: owner.__dict__[name] for name in methods}
    for name, method in methods.items():
        setattr(owner, name, method)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(owner, name, method)
