"""scripts/setup.sh says in one line what went wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


SCRIPT = Path(__file__).parents[2] / "scripts" / "setup.sh"


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def setup(folder: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder where `bin` comes first on the path."""
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHON": "python3"}
    return subprocess.run(["sh", str(SCRIPT), *parts], capture_output=True, text=True, cwd=folder, env=environment)


def pip_that_says(folder: Path, text: str) -> None:
    """Put a python into `.venv` that is new enough, and whose pip fails."""
    program(folder / ".venv/bin/python", f'[ "$1" = -c ] && exit 0\necho "{text}"\nexit 1')


def test_an_old_python_is_named(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        program(tmp_path / "bin" / name, '[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1')
    done = setup(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 or newer is needed (Python 3.9.2 found)")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("said", "clear"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full; about 3 GB are needed"),
        ("WARNING: Retrying after connection broken by NewConnectionError", "no package registry can be reached"),
        ("Temporary failure in name resolution", "no package registry can be reached"),
        ("ERROR: No matching distribution found for torch", "installation failed: ERROR: No matching distribution"),
    ],
)
def test_pip_errors_become_one_line(said: str, clear: str, tmp_path: Path) -> None:
    pip_that_says(tmp_path, said)
    done = setup(tmp_path)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith("installing into .venv")
    assert second.startswith("error: ")
    assert clear in second
    assert not (tmp_path / ".venv/.installed").exists()


def test_no_venv_module_is_named(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3", '[ "$1" = -c ] && exit 0\necho "No module named venv" >&2\nexit 1')
    done = setup(tmp_path)
    assert done.returncode == 1
    assert "'python3 -m venv .venv' failed" in done.stderr
    assert "No module named venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_it_installs_our_packages_by_path(tmp_path: Path) -> None:
    program(tmp_path / ".venv/bin/python", f'[ "$1" = -c ] || echo "$@" >> {tmp_path}/asked')
    assert setup(tmp_path, "packages/core", "packages/heads").returncode == 0
    assert "-e ./packages/core -e ./packages/heads" in (tmp_path / "asked").read_text()
    assert (tmp_path / ".venv/.installed").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_second_make_installs_nothing(tmp_path: Path) -> None:
    for name in ("Makefile", "scripts/setup.sh", "constraints.txt", "requirements-dev.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(SCRIPT.parents[1] / name, tmp_path / name)
    for part in ("packages/core", "packages/encoders", "packages/heads", "packages/kernels", "examples/emoji"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "pyproject.toml").touch()
    program(tmp_path / ".venv/bin/python", f'[ "$1" = -c ] || echo "$@" >> {tmp_path}/asked')
    for _ in range(2):
        subprocess.run(["make", ".venv/.installed"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "asked").read_text().count("packages/core") == 1
