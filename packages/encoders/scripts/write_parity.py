"""Measures how close every part comes to its source, and writes docs/parity-encoders.md.

    python packages/encoders/scripts/write_parity.py

Runs the package's tests that use the fixture `parity`; the table holds the largest error that they met. A test that
fails ends it, and nothing is written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest


PACKAGE = Path(__file__).resolve().parents[1]
PAGE = PACKAGE.parents[1] / "docs" / "parity-encoders.md"
TOP = """# Encoders: part, source of truth, largest error

Made by `python packages/encoders/scripts/write_parity.py`, which runs the tests that measure it. Every number is the
largest absolute difference to the source, in float32 unless it says otherwise, on tiny models with random weights
written by the official class or recorded from the original code; gradients are of all parameters, as shares of the
largest. Ids of image tokenizers are equal, not near. Preprocessing is equal to the official Pillow processors and to
recordings of BLIP3-o's within 1e-5 (`packages/core/tests/data/test_preprocess_official.py`).

| part | source | what | largest error | allowed |
|---|---|---|---|---|
"""
Row = tuple[str, str, str]


class Collector:
    """Keeps what tests note through the fixture `parity`: (part, source, what) -> (error, allowed)."""

    def __init__(self) -> None:
        """Start empty."""
        self.rows: dict[Row, tuple[float, float]] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the tests that measure something."""
        items[:] = [item for item in items if "parity" in getattr(item, "fixturenames", ())]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take in the notes of one finished test."""
        if report.when != "call":
            return
        for name, note in report.user_properties:
            if name == "parity":
                part, source, what, error, allowed = note
                worst = self.rows.get((part, source, what), (0.0, 0.0))
                self.rows[part, source, what] = (max(error, worst[0]), max(allowed, worst[1]))


def page(rows: dict[Row, tuple[float, float]]) -> str:
    """Return the page, one line a measured thing."""
    lines = [f"| `{part}` | {source} | {what} | {_shown(error)} | {allowed:.0e} |"
             for (part, source, what), (error, allowed) in sorted(rows.items())]  # fmt: skip
    return TOP + "\n".join(lines) + "\n"


def _shown(error: float) -> str:
    return "0" if error == 0 else f"{error:.1e}"


def main() -> int:
    """Measure and write; return the exit status."""
    collector = Collector()
    files = sorted(str(each) for each in (PACKAGE / "tests").glob("test_*.py") if "parity(" in each.read_text())
    failed = pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[collector])
    if failed or not collector.rows:
        return int(failed) or 1
    PAGE.write_text(page(collector.rows), encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(collector.rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
