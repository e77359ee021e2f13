"""Builds a wheel of each package, installs it alone into an empty environment, and runs its own tests there.

    python scripts/test_packages.py             all
    python scripts/test_packages.py core heads  some

What is installed is the wheel, never the source tree; what a package must do without is shown not to be importable.
No registry is asked for a name of ours: third-party requirements are read out of the wheels and installed by name,
the wheels themselves by path, with no index. To install torch once instead of seven times, environments lie over
layers of third-party packages: `torch` holds torch and the test tools, `common` what core requires.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "kernels": "packages/kernels",
    "core": "packages/core",
    "encoders": "packages/encoders",
    "heads": "packages/heads",
    "emoji": "examples/emoji",
    "template": "examples/plugin_template",
}
IMPORT_NAMES = {name: "diptych" if name == "core" else f"diptych_{name}" for name in FOLDERS}
TOOLS = ("pytest", "hypothesis")
TEST_MINUTES = 30


class FailedError(Exception):
    """Something is wrong with a package; the text says what."""


@dataclass(frozen=True)
class Trial:
    """One package in one environment: what may be there beside it, and which of its extras."""

    package: str
    below: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    layers: tuple[str, ...] = ("torch", "common")

    @property
    def name(self) -> str:
        """The package, and the extras if there are any."""
        return " + ".join([self.package, *(each for each in self.extras if each != "test")])

    @property
    def absent(self) -> list[str]:
        """Import names that must not be there."""
        return [name for part, name in IMPORT_NAMES.items() if part not in (self.package, *self.below)]


TRIALS = (
    Trial("kernels", layers=("torch",)),
    Trial("kernels", extras=("test", "triton"), layers=("torch",)),
    Trial("core"),
    Trial("encoders", below=("core",)),
    Trial("heads", below=("core",)),
    Trial("template", below=("core",)),
    Trial("emoji", below=("core", "encoders", "heads")),
)


def main() -> int:
    """Run the trials asked for: -> 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(FOLDERS)}; all unless named")
    wanted = parser.parse_args().packages or list(FOLDERS)
    if unknown := sorted(set(wanted) - set(FOLDERS)):
        parser.error(f"no package is called {', '.join(unknown)}; there are {', '.join(FOLDERS)}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="diptych-packages-") as place:
        work = Workshop(Path(place))
        for trial in TRIALS:
            if trial.package in wanted:
                failed += not report(work, trial)
    return 1 if failed else 0


def report(work: Workshop, trial: Trial) -> bool:
    """Run one trial and print its line: -> whether it passed."""
    start = time.monotonic()
    try:
        result, good = work.run(trial), True
    except FailedError as error:
        result, good = str(error), False
    print(f"{trial.name:<18} {'ok' if good else 'FAILED'}  {time.monotonic() - start:4.0f} s  {result}", flush=True)
    return good


class Workshop:
    """A temporary folder with wheels, layers and environments, each made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        """Work in an empty folder."""
        self.folder = folder
        self.wheels: dict[str, Path] = {}
        self.layers: dict[str, Path] = {}

    def run(self, trial: Trial) -> str:
        """Build, install, check, test: -> pytest's closing line.

        Raises:
            FailedError: saying what went wrong.
        """
        wheels = [self.wheel(part) for part in (*trial.below, trial.package)]
        layers = [self.layer(name) for name in trial.layers]
        environment = make_environment(self.folder / trial.name.replace(" ", ""), layers)
        extras = {wheels[-1]: trial.extras}
        needed = {str(each) for wheel in wheels for each in third_party(wheel, extras.get(wheel, ()))}
        install(environment, sorted(needed))
        install(environment, ["--no-index", "--no-deps", *map(str, wheels)])
        pip(environment, "check")
        check_imports(environment, IMPORT_NAMES[trial.package], trial.absent)
        return self.test(trial, environment)

    def wheel(self, package: str) -> Path:
        """Build the wheel of a package, once, and check what is in it."""
        if package not in self.wheels:
            out, source = self.folder / "wheels" / package, ROOT / FOLDERS[package]
            call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)])
            (self.wheels[package],) = out.glob("*.whl")
            check_contents(self.wheels[package], source)
        return self.wheels[package]

    def layer(self, name: str) -> Path:
        """Make a layer, once: an environment with third-party packages that others look into."""
        if name not in self.layers:
            below = [] if name == "torch" else [self.layer("torch")]
            environment = make_environment(self.folder / f"layer-{name}", below)
            wheel = self.wheel("kernels" if name == "torch" else "core")
            install(environment, [*map(str, third_party(wheel)), *(TOOLS if name == "torch" else ())])
            self.layers[name] = environment
        return self.layers[name]

    def test(self, trial: Trial, environment: Path) -> str:
        """Run a copy of a package's tests, without its sources: -> pytest's closing line."""
        place, source = self.folder / f"tests-{trial.name.replace(' ', '')}", ROOT / FOLDERS[trial.package]
        own = place / FOLDERS[trial.package]
        shutil.copytree(source / "tests", own / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(source / name, own)
        shutil.copy(ROOT / "pyproject.toml", place)  # pytest's settings
        python = str(environment / "bin" / "python")
        options = ["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "--color=no", "-q"]
        command = [python, "-P", "-m", "pytest", str(own / "tests"), *options]
        try:
            done = run(command, cwd=place, timeout=TEST_MINUTES * 60)
        except subprocess.TimeoutExpired as error:
            raise FailedError(f"its tests did not end within {TEST_MINUTES} minutes") from error
        if done.returncode:
            raise FailedError(f"its tests\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
        closing = re.findall(r"^=*\s*(\d+ passed.*?) in .*$", done.stdout, flags=re.M)
        if not closing:
            raise FailedError(f"no test ran\n{done.stdout[-2000:]}")
        return closing[-1]


def third_party(wheel: Path, extras: Sequence[str] = ()) -> list[Requirement]:
    """Read what a wheel requires here, names of ours left out."""
    found = []
    for text in metadata(wheel).get_all("Requires-Dist") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": each}) for each in ("", *extras)):
            requirement.marker = None
            found.append(requirement)
    return [each for each in found if not is_ours(each.name)]


def is_ours(name: str) -> bool:
    """Say whether a distribution's name is one that no registry is asked for."""
    return re.fullmatch(r"diptych(-.+)?", canonicalize_name(name)) is not None


def metadata(wheel: Path) -> Message:
    """Read a wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def check_contents(wheel: Path, source: Path) -> None:
    """Check that a wheel holds all its package's files, a licence, a README, and nothing else.

    Raises:
        FailedError: naming what is missing or too much.
    """
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    files = [each for each in (source / "src").rglob("*") if each.is_file() and "__pycache__" not in each.parts]
    expected = {each.relative_to(source / "src").as_posix() for each in files}
    own = {each for each in inside if ".dist-info/" not in each}
    if own != expected:
        missing, extra = sorted(expected - own), sorted(own - expected)
        raise FailedError(f"{wheel.name}: missing {missing[:5]}, too much {extra[:5]}")
    if not any(each.endswith("/py.typed") for each in own):
        raise FailedError(f"{wheel.name}: no py.typed")
    if not any(".dist-info/licenses/" in each for each in inside):
        raise FailedError(f"{wheel.name}: no licence")
    facts = metadata(wheel)
    for key in ("Summary", "License-Expression", "Requires-Python", "Description-Content-Type"):
        if not facts.get(key):
            raise FailedError(f"{wheel.name}: no {key} in its metadata")
    if len(str(facts.get_payload()).strip()) < 80:
        raise FailedError(f"{wheel.name}: its README says nothing")


def make_environment(folder: Path, layers: Sequence[Path]) -> Path:
    """Make an empty virtual environment that looks into the layers below it, and into nothing else."""
    call([sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)])
    lines = "".join(f"{site_packages(each)}\n" for each in layers)
    (site_packages(folder) / "layers.pth").write_text(lines)
    return folder


def site_packages(environment: Path) -> Path:
    """Return where an environment keeps its packages."""
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def install(environment: Path, what: Iterable[str]) -> None:
    """Install by name or path, in the versions of constraints.txt; what a layer holds is there already."""
    listed = list(what)
    if listed:
        pip(environment, "install", "-q", "-c", str(ROOT / "constraints.txt"), *listed)


def pip(environment: Path, *arguments: str) -> None:
    """Let this environment's pip work on another one."""
    python = str(environment / "bin" / "python")
    call([sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, *arguments])


def check_imports(environment: Path, own: str, absent: Sequence[str]) -> None:
    """Check that a package is imported from its wheel, and that its siblings cannot be.

    Raises:
        FailedError: naming what can be imported and should not be.
    """
    code = (
        f"import {own} as own\n"
        f"if not own.__file__.startswith({str(environment)!r}): raise SystemExit('not its wheel: ' + own.__file__)\n"
        f"for name in {list(absent)!r}:\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        if error.name != name: raise\n"
        "    else: raise SystemExit(name + ' can be imported, but must not be needed')\n"
    )
    call([str(environment / "bin" / "python"), "-P", "-c", code])


def call(command: Sequence[str]) -> None:
    """Run a command that must succeed."""
    done = run(command)
    if done.returncode:
        raise FailedError(f"`{' '.join(command)}` failed\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def run(command: Sequence[str], cwd: Path | None = None, timeout: float | None = None) -> subprocess.CompletedProcess:
    """Run a command in a folder that holds nothing of ours, under an environment that points at nothing of ours."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    clean["PATH"] = os.pathsep.join([str(Path(command[0]).parent), clean.get("PATH", "")])
    return subprocess.run(
        command, capture_output=True, text=True, env=clean, cwd=cwd or tempfile.gettempdir(), timeout=timeout
    )


if __name__ == "__main__":
    sys.exit(main())
