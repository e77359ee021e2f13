"""Who asked for an implementation: the argument, the context manager or the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch


ENVIRONMENT_VARIABLE = "DIPTYCH_KERNELS"
NAMES = ("reference", "compile", "triton", "chunked")
AUTO = "auto"

_active: ContextVar[str | None] = ContextVar("diptych_kernels_implementation", default=None)

# torch.compile can neither trace nor guard a ContextVar. This copy of the latest value is a
# plain global, which it guards: entering or leaving ``use`` retraces compiled callers.
_latest: str | None = None


class Request(NamedTuple):
    """An implementation asked for by name, and by whom; ``name`` is None if nobody asked."""

    name: str | None
    by: str


@contextmanager
def use(implementation: str) -> Iterator[None]:
    """Asks for one implementation within a ``with`` block.

    The choice belongs to the current thread or task. Inside a function under ``torch.compile``
    it is the latest choice of the process, since compiled code cannot read a context variable.

    Args:
        implementation: ``reference``, ``compile``, ``triton``, or ``auto`` for no preference.
    """
    global _latest
    token = _active.set(checked_name(implementation, "use(...)"))
    before, _latest = _latest, implementation
    try:
        yield
    finally:
        _active.reset(token)
        _latest = before


def requested(argument: str | None) -> Request:
    """Finds who asks: argument, then context manager, then environment, then nobody."""
    if argument is not None:
        name, by = argument, "the argument implementation="
    elif (active := _latest if torch.compiler.is_compiling() else _active.get()) is not None:
        name, by = active, "diptych_kernels.use(...)"
    elif (variable := os.environ.get(ENVIRONMENT_VARIABLE)) is not None and variable != "":
        name, by = variable, f"the environment variable {ENVIRONMENT_VARIABLE}"
    else:
        return Request(None, "nobody")
    name = checked_name(name, by)
    return Request(None if name == AUTO else name, by)


def checked_name(name: str, by: str) -> str:
    """Returns ``name``, or says which names there are."""
    if name not in NAMES and name != AUTO:
        choices = ", ".join((*NAMES, AUTO))
        raise ValueError(f"{by}: there is no implementation {name!r}; choose one of {choices}")
    return name
