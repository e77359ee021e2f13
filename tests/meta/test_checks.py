"""docs/checks.md shows every named model of the families, with the ports that it has now."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "write_checks.py"))
PAGE = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPT["names"]())
def test_a_named_model_is_shown_as_it_is(name: str) -> None:
    block = PAGE.partition(f"## {name}\n")[2].partition("\n## ")[0]
    assert f"$ diptych check {name}\n{SCRIPT['printed'](name, '--no-costs')}\n" in block, "run `make checks`"
    assert all(word in block for word in ("parameters", "memory", "per image"))
