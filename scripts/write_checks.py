"""Writes docs/checks.md: what `diptych check` prints of every named model of a family. Takes some minutes."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from diptych.cli.main import main
from diptych.plugins import registry


PAGE = Path(__file__).resolve().parents[1] / "docs" / "checks.md"
TOP = """# What `diptych check` prints of the named models

Made by `make checks`; do not edit. Nothing is allocated or downloaded for it: every part is built on torch's meta
device, and its calls are counted there, each kind once. Ports first, with the sizes that follow; then parameters by
slot, memory, FLOPs.
"""


def names() -> list[str]:
    """Return the named models of families, those of plugins left out."""
    return sorted(e.component.name for e in registry().entries("spec") if "families" in e.component.target)


def printed(name: str, *options: str) -> str:
    """Return what the command prints of a named model."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        main(["check", name, *options])
    return out.getvalue().rstrip()


def page() -> str:
    """Return the whole page."""
    blocks = [f"## {name}\n\n```\n$ diptych check {name}\n{printed(name)}\n```\n" for name in names()]
    return "\n".join([TOP, *blocks])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}", file=sys.stderr)
