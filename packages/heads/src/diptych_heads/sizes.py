"""Sizes that a spec leaves to be inferred, at the moment they must be known."""

from __future__ import annotations

from diptych.errors import Problem, SpecError
from diptych.spec.part import PartSpec


def known(spec: PartSpec, name: str) -> int:
    """Return a size of a spec that is about to be built.

    Raises:
        SpecError: if it is still unknown; says how it becomes known.
    """
    size = getattr(spec, name)
    if size is None:
        message = "give it, or build the part inside a model spec, where it follows"
        raise SpecError([Problem(name, message, "missing")], type(spec).__name__)
    return int(size)
