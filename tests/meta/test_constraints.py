"""constraints.txt pins all that the workspace needs, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


ROOT = Path(__file__).parents[2]
OURS = {"diptych", "diptych-encoders", "diptych-heads", "diptych-kernels", "diptych-emoji"}


def lines(name: str) -> list[Requirement]:
    text = (ROOT / name).read_text().splitlines()
    return [Requirement(line) for line in text if line and not line.startswith("#")]


def needed() -> dict[str, bool]:
    """Every distribution that is needed here at any depth, and whether its version is fixed by who needs it."""
    found: dict[str, bool] = {}
    todo = [*filter(applies, lines("requirements-dev.txt")), *map(Requirement, OURS)]
    while todo:
        each = todo.pop()
        name, first = canonicalize_name(each.name), canonicalize_name(each.name) not in found
        fixed = any(one.operator == "==" and "*" not in one.version for one in each.specifier)
        found[name] = found.get(name, False) or fixed
        if first:
            todo += [own for own in requirements(name) if applies(own, each.extras)]
    return found


def requirements(name: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []


def applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": each}) for each in ("", *extras))


def test_everything_needed_is_pinned() -> None:
    pinned = {canonicalize_name(each.name) for each in lines("constraints.txt")}
    missing = {name for name, fixed in needed().items() if not fixed} - pinned - OURS
    assert not missing


@pytest.mark.skipif(sys.platform != "linux", reason="some are needed on Linux only")
def test_nothing_else_is_pinned() -> None:
    pinned = {canonicalize_name(each.name) for each in lines("constraints.txt")}
    assert not pinned - needed().keys()


def test_every_pin_is_exact() -> None:
    assert all([s.operator for s in each.specifier] == ["=="] for each in lines("constraints.txt"))
