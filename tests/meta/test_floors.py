"""The floors hold, and the contract that says so can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("packages/*/src/*"), ROOT / "examples/emoji/src/diptych_emoji"]
TRESPASSES = {
    "diptych_encoders/clip.py": "import diptych_heads.plugin",
    "diptych/model.py": "import diptych_encoders.plugin",
    "diptych_kernels/dispatch.py": "import diptych.errors",
    "diptych/spec/files.py": "def _late():\n    import torch",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Python files of all packages side by side, free to be spoilt."""
    for source in SOURCES:
        for file in source.rglob("*.py"):
            place = tmp_path / source.name / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # the path puts the copy before what is installed
    code = "from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run(
        [sys.executable, "-c", code, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def test_every_import_respects_the_floors(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout[-3000:]


def test_trespasses_are_found(copy: Path) -> None:
    for name, line in TRESPASSES.items():
        with (copy / name).open("a") as file:
            file.write(f"\n\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    for found in (
        "diptych_encoders.clip -> diptych_heads.plugin",
        "diptych.model -> diptych_encoders.plugin",
        "diptych_kernels.dispatch -> diptych.errors",
        "diptych.spec.files -> torch",
    ):
        assert found in done.stdout, done.stdout[-3000:]
