"""The implementations that operations have, each with its reasons against it."""

from collections.abc import Callable
from typing import Any

from diptych_kernels.compiled import compiled
from diptych_kernels.dispatch import Implementation
from diptych_kernels.situation import (
    Situation,
    compiler_cannot_run,
    interpreting,
    triton_cannot_run,
)


Load = Callable[[], Callable[..., Any]]
Reason = Callable[[Situation], str | None]


def nothing(situation: Situation) -> None:
    """No reason against it."""


def usual(
    reference: Callable[..., Any],
    load_triton: Load,
    *,
    limit: Reason = nothing,
    fuses: bool = True,
    load_compiled: Load | None = None,
) -> tuple[Implementation, ...]:
    """What nearly every operation has, in order of preference: triton, compile, reference.

    Args:
        reference: Runs anywhere.
        load_triton: Imports and returns the Triton implementation.
        limit: Why these kernels cannot run what Triton could, or None.
        fuses: As in :func:`by_triton`.
        load_compiled: Makes the implementation ``compile`` where it is not simply the reference
            compiled.
    """
    return (
        by_triton(load_triton, limit=limit, fuses=fuses),
        by_compiling(load_compiled or (lambda: compiled(reference))),
        anywhere("reference", lambda: reference),
    )


def by_triton(load: Load, *, limit: Reason = nothing, fuses: bool = True) -> Implementation:
    """Triton kernels. By themselves they neither interpret nor stand in a compiler's way.

    Args:
        load: Imports and returns the function.
        limit: Why these kernels cannot run what Triton could, or None.
        fuses: Whether Inductor does as well with the reference, which it can fuse with its
            neighbours.
    """

    def cannot_run(situation: Situation) -> str | None:
        return triton_cannot_run(situation) or limit(situation)

    def not_by_itself(situation: Situation) -> str | None:
        if interpreting():
            return "it would run in Triton's interpreter, which is for tests"
        if fuses and situation.compiling:
            return "inside torch.compile the reference fuses with its neighbours"
        return None

    return Implementation("triton", load, cannot_run, not_by_itself)


def by_compiling(
    load: Load, why_not: str = "its first call compiles for seconds; ask for it by name"
) -> Implementation:
    """``torch.compile`` of the reference, which nobody gets unasked."""
    return Implementation("compile", load, compiler_cannot_run, lambda situation: why_not)


def anywhere(name: str, load: Load) -> Implementation:
    """One that no situation rules out."""
    return Implementation(name, load, nothing, nothing)
