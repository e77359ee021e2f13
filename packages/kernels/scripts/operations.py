"""The operations, each of which brings its own entries to every script and report."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any


SCRIPTS = Path(__file__).resolve().parent
REPORTS = SCRIPTS.parent / "reports"


def entries(folder: str, only: Iterable[str]) -> dict[str, Any]:
    """Imports ``folder/<operation>.py`` for each operation, or for those in ``only``.

    An operation's module is named as its folder under ``src/diptych_kernels/ops``.
    """
    operations = SCRIPTS.parent / "src" / "diptych_kernels" / "ops"
    there = {path.stem for path in (SCRIPTS / folder).glob("*.py")}
    known = sorted(there & {path.name for path in operations.iterdir() if path.is_dir()})
    if unknown := [name for name in only if name not in known]:
        raise SystemExit(f"scripts/{folder} has no {', '.join(unknown)}; it has {', '.join(known)}")
    return {name: importlib.import_module(f"{folder}.{name}") for name in only or known}
