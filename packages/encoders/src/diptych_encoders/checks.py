"""Validators of spec fields that several parts share."""

from __future__ import annotations

from typing import Any

from attrs import validators


def whole(least: int = 1) -> Any:
    """Check for a whole number of at least `least`."""
    return validators.and_(validators.instance_of(int), validators.ge(least))


def maybe(check: Any) -> Any:
    """Let None pass, check everything else."""
    return validators.optional(check)


def each(check: Any) -> Any:
    """Check every item of a tuple that has at least one."""
    return validators.deep_iterable(check, validators.and_(validators.instance_of(tuple), validators.min_len(1)))


def known(size: int | None, name: str) -> int:
    """Return a size that a model spec infers.

    Raises:
        ValueError: if it is still open, as it is in a part built on its own.
    """
    if size is None:
        raise ValueError(f"'{name}' follows from the model around a part; to build it alone, give `{name}=`")
    return size


def complain(problems: list[str]) -> None:
    """Raise one ValueError that holds every problem of a spec, if there is any."""
    if problems:
        raise ValueError("; ".join(problems))
