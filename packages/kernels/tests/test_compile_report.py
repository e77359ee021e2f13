"""Compiling for GPUs that are not here: no spills, and no more registers than the table says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_tests.effort import PROFILE


triton = pytest.importorskip("triton")
PACKAGE = Path(__file__).resolve().parents[1]
SCRIPT = PACKAGE / "scripts" / "compile_report.py"
TABLES = sorted((PACKAGE / "reports" / "compile").glob("*.md"))
USUAL = () if PROFILE == "nightly" else ("--device", "sm_90", "--dtype", "bf16")

pytestmark = [
    pytest.mark.skipif(not SCRIPT.exists(), reason="the scripts are not beside the tests"),
    pytest.mark.skipif(PROFILE == "mutation", reason="faults change what is compiled"),
]


def _report(*options: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own: it must not run in the interpreter."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options], env=environment, capture_output=True, text=True
    )


def test_every_operation_has_a_table_without_spills() -> None:
    operations = {path.parent.name for path in PACKAGE.glob("src/diptych_kernels/ops/*/kernels.py")}
    assert {table.stem for table in TABLES} == operations
    for table in TABLES:
        rows = [row.split("|") for row in table.read_text().splitlines() if "| gfx942 |" in row
                or "| sm_" in row]  # fmt: skip
        assert rows and all(int(row[8]) == 0 for row in rows), table.stem


@pytest.mark.skipif(
    not all(table.read_text().startswith(f"triton {triton.__version__}\n") for table in TABLES),
    reason="the tables are of another triton, whose compiler uses other registers",
)
def test_nothing_needs_more_than_its_table_says() -> None:
    done = _report("--check", *USUAL)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "0 not as they should be" in done.stdout


def test_half_a_table_is_not_written() -> None:
    done = _report("--write", "--device", "sm_90")
    assert done.returncode == 2 and "leave out --device" in done.stderr
