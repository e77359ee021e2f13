"""docs/reference.md says what the registry holds."""

from __future__ import annotations

import runpy
from pathlib import Path


ROOT = Path(__file__).parents[2]


def written() -> str:
    return runpy.run_path(str(ROOT / "scripts" / "write_reference.py"))["reference"]()


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == written(), "run `make docs`"


def test_it_is_the_same_every_time_and_holds_no_address_of_an_object() -> None:
    assert written() == written()
    assert " at 0x" not in written()
    assert "ForwardRef" not in written()
