"""Reads the sizes of public models, shipped beside this file as data."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def read_presets(stem: str) -> dict[str, dict[str, Any]]:
    """Return the presets of a part by name: field values, with JSON lists as tuples.

    Args:
        stem: the file name in `presets/` without `.json`.
    """
    text = files("diptych_encoders").joinpath("presets", f"{stem}.json").read_text("utf-8")
    return {name: {key: _frozen(value) for key, value in fields.items()} for name, fields in json.loads(text).items()}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
