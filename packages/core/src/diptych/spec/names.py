"""Names that users give: of vision parts, generate steps and losses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diptych.errors import Problem


def bad_name(path: str, name: str) -> Iterator[Problem]:
    """Yield a problem if a name cannot be part of a path, a file's name or a column of a log."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        yield Problem(path, f"'{name}' is no name: use letters, digits, _ and -", "reference")
