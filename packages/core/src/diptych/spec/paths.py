"""Paths into a spec and its modules: `vision.clip`, `generate.features.head`."""

from __future__ import annotations

from collections.abc import Iterable

from diptych.errors import suggest


def within(name: str, path: str) -> bool:
    """Say whether a name is a path, or lies inside it; `vision.eye2` lies in no `vision.eye`."""
    return f"{name}.".startswith(f"{path}.")


def suggest_path(path: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest path that names (of tensors) lie inside, or nothing."""
    return suggest(path, sorted({".".join(name.split(".")[:i]) for name in names for i in range(1, 5)}))
