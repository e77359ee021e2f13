"""scripts/test_packages.py asks no registry for a name of ours, and sees what a wheel lacks."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest


SCRIPT = Path(__file__).parents[2] / "scripts" / "test_packages.py"
METADATA = """Metadata-Version: 2.4
Name: diptych-heads
Summary: one line
License-Expression: Apache-2.0
Requires-Python: >=3.11
Requires-Dist: torch>=2
Requires-Dist: Diptych==0.1.0
Requires-Dist: diptych_kernels
Requires-Dist: triton; extra == 'triton'
Requires-Dist: colorama; sys_platform == 'nowhere'
Description-Content-Type: text/markdown

A README long enough to tell a stranger what this package is, what it is for, and how it is used.
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packages_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    own = tmp_path / "source" / "src" / "own"
    own.mkdir(parents=True)
    for name in ("__init__.py", "py.typed", "presets.json"):
        (own / name).touch()
    return tmp_path / "source"


def wheel(folder: Path, *names: str, metadata: str = METADATA) -> Path:
    path = folder / "own-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names or ("own/__init__.py", "own/py.typed", "own/presets.json"):
            archive.writestr(name, "")
        archive.writestr("own-0.1.0.dist-info/METADATA", metadata)
        archive.writestr("own-0.1.0.dist-info/licenses/LICENSE", "")
    return path


def test_registries_are_asked_for_names_of_others_alone(script: ModuleType, tmp_path: Path) -> None:
    made = wheel(tmp_path)
    assert [str(each) for each in script.third_party(made)] == ["torch>=2"]
    assert [str(each) for each in script.third_party(made, ["triton"])] == ["torch>=2", "triton"]


def test_each_package_does_without_all_that_is_not_below_it(script: ModuleType) -> None:
    absent = {trial.package: set(trial.absent) for trial in script.TRIALS}
    assert absent["kernels"] >= {"diptych", "diptych_encoders", "diptych_heads"}
    assert absent["core"] >= {"diptych_kernels", "diptych_encoders", "diptych_heads"}
    assert absent["encoders"] >= {"diptych_kernels", "diptych_heads"}
    assert absent["heads"] >= {"diptych_kernels", "diptych_encoders"}
    assert not any(trial.package in map(str, trial.absent) for trial in script.TRIALS)


def test_a_whole_wheel_passes(script: ModuleType, source: Path, tmp_path: Path) -> None:
    script.check_contents(wheel(tmp_path), source)


@pytest.mark.parametrize(
    ("names", "change", "why"),
    [
        (("own/__init__.py", "own/py.typed"), "", r"missing \['own/presets.json'\]"),
        (("own/__init__.py", "own/py.typed", "own/presets.json", "tests/x.py"), "", r"too much \['tests/x.py'\]"),
        ((), "License-Expression: Apache-2.0\n", "no License-Expression"),
        ((), METADATA.rpartition("\n\n")[2], "its README says nothing"),
    ],
)
def test_a_wheel_that_lacks_something_fails(
    script: ModuleType, source: Path, tmp_path: Path, names: tuple[str, ...], change: str, why: str
) -> None:
    made = wheel(tmp_path, *names, metadata=METADATA.replace(change, "") if change else METADATA)
    with pytest.raises(script.FailedError, match=why):
        script.check_contents(made, source)


def test_an_import_that_should_fail_is_noticed(script: ModuleType, tmp_path: Path) -> None:
    environment = script.make_environment(tmp_path / "one", [])
    (script.site_packages(environment) / "own.py").touch()
    script.check_imports(environment, "own", ["diptych"])
    with pytest.raises(script.FailedError, match="json can be imported"):
        script.check_imports(environment, "own", ["json"])
    with pytest.raises(script.FailedError, match="not its wheel"):
        script.check_imports(environment, "json", [])
