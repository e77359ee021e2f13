"""A plugin of a stranger: installed, found, built, trained, painting; and broken ones, which take nothing down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


TEMPLATE = Path(__file__).parents[2] / "examples" / "plugin_template"
WRONG_SIGNATURE = """
from diptych import hookimpl

@hookimpl
def diptych_register_encoder(registry):
    return []
"""
DUPLICATE_NAME = """
from diptych import Component, hookimpl

@hookimpl
def diptych_register_encoder():
    return [Component("patches", "elsewhere:Patches")]
"""
BROKEN = {
    "missing-import": ("import a_module_that_is_not_there\n", "No module named 'a_module_that_is_not_there'"),
    "wrong-signature": (WRONG_SIGNATURE, "hook 'diptych_register_encoder' takes no arguments"),
    "duplicate-name": (
        DUPLICATE_NAME,
        "encoder 'patches' is registered twice: by diptych and by broken-duplicate-name",
    ),
}


def run(folder: Path, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run python with a folder of installed distributions on its path."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=cwd)


def diptych(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-c", "from diptych.cli.main import main; main()", *arguments, **variables)


def break_into(folder: Path, name: str) -> Path:
    """Install a broken plugin by hand, as pip would have."""
    module, distribution = f"broken_{name.replace('-', '_')}", f"broken-{name}"
    info = folder / f"{module}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[diptych]\n{name} = {module}\n")
    (folder / f"{module}.py").write_text(BROKEN[name][0])
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(TEMPLATE)], check=True)
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    for name in BROKEN:
        break_into(folder, name)
    return folder


def test_its_parts_are_listed_with_its_name(installed: Path) -> None:
    done = diptych(installed, "list", "--json")
    own = {(row["kind"], row["type"]) for row in json.loads(done.stdout) if row["from"] == "diptych-template"}
    assert own == {("encoder", "conv-patches"), ("head", "gaussian"), ("spec", "template"), ("spec", "template-recipe")}


def test_its_own_tests_pass_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    """They build, train and paint with both parts from its spec."""
    shutil.copytree(TEMPLATE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TEMPLATE / "pyproject.toml", tmp_path)
    done = run(installed, "-m", "pytest", "tests", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_broken_plugins_are_named_and_the_rest_works(broken: Path) -> None:
    done = diptych(broken, "list")
    assert done.returncode == 0
    assert "latent-queries" in done.stdout
    for name, (_, why) in BROKEN.items():
        assert f"plugin '{name}' of broken-{name} 1.2 failed:" in done.stderr
        assert why in done.stderr


def test_a_name_that_is_not_found_says_which_plugins_failed(broken: Path) -> None:
    done = diptych(broken, "show", "an-encoder-of-a-broken-plugin")
    assert done.returncode == 2
    assert "plugin 'missing-import' of broken-missing-import 1.2 failed" in done.stderr


def test_doctor_says_why_and_exits_with_1(broken: Path) -> None:
    done = diptych(broken, "doctor")
    assert done.returncode == 1, done.stderr
    for name, (_, why) in BROKEN.items():
        (line,) = [each for each in done.stdout.splitlines() if f"broken-{name} 1.2" in each and name in each.split()]
        assert "FAILED" in line
        assert why in line


def test_doctor_for_machines_says_the_same(broken: Path) -> None:
    done = diptych(broken, "doctor", "--json")
    assert done.returncode == 1
    failed = {each["name"]: each["error"] for each in json.loads(done.stdout)["plugins"] if each["error"]}
    assert failed.keys() == BROKEN.keys()


@pytest.mark.parametrize("name", BROKEN)
def test_under_the_strict_switch_it_is_an_error(name: str, tmp_path: Path) -> None:
    done = diptych(break_into(tmp_path, name), "list", DIPTYCH_STRICT_PLUGINS="1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: plugin '{name}' of broken-{name} 1.2 failed:")
    assert BROKEN[name][1] in done.stderr
    assert "Traceback" not in done.stderr
