"""`numerics: reference`: every switch by which parts repeat what an original code did, on at once.

A switch is a field made with `deviation`; its sentence says what the original does and why we would not. Left out, it
follows the model's `numerics`; given, it stays as given. Nothing else differs between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from diptych.spec.part import fields_of


def follow(spec: Any, on: bool) -> Any:
    """Return a spec in which every switch that was left out is on; unchanged if they are to be off."""
    return _switched(spec, lambda value: True if value is None else value) if on else spec


def unfollow(spec: Any, on: bool) -> Any:
    """Return a spec in which the switches that `follow` put on are left out again."""
    return _switched(spec, lambda value: None if value else value) if on else spec


def without_switches(spec: Any) -> Any:
    """Return a spec in which every switch is left out, also those that were given."""
    return _switched(spec, lambda value: None)


def switches(spec: Any) -> dict[str, bool | None]:
    """Return every switch of a spec by its path: on, off, or left out."""
    found: dict[str, bool | None] = {}

    def look(node: Any, path: str) -> None:
        for field in fields_of(node) if attrs.has(type(node)) else ():
            value, here = getattr(node, field.name), f"{path}.{field.name}" if path else field.name
            if field.metadata.get("deviation"):
                found[here] = value
            for key, each in _inside(value):
                look(each, f"{here}.{key}" if key else here)

    look(spec, "")
    return found


def _switched(node: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(node, Mapping):
        return {key: _switched(value, change) for key, value in node.items()}
    if isinstance(node, tuple):
        return tuple(_switched(value, change) for value in node)
    if not attrs.has(type(node)):
        return node
    changed = {}
    for field in fields_of(node):
        value = getattr(node, field.name)
        new = change(value) if field.metadata.get("deviation") else _switched(value, change)
        if new is not value and new != value:
            changed[field.name] = new
    return attrs.evolve(node, **changed) if changed else node


def _inside(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple):
        return [(str(getattr(each, "name", index)), each) for index, each in enumerate(value)]
    return [("", value)]
