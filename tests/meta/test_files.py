"""What every tracked file keeps to: short, no machine's paths, no banned word."""

import re
import subprocess
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
LONG = {
    "packages/core/tests/test_model.py": "one subject: a sample does not depend on what is beside it",
}
"""Files over 400 lines, each with its reason."""

BANNED = "schedu" + "ler"
FOREIGN = re.compile(rf"EulerDiscrete{BANNED}|{BANNED}/{BANNED}_config\.json", re.IGNORECASE)
"""What diffusers calls a class, and the file that it writes of it: names that a checkpoint holds, none of ours."""
PLACES = re.compile(r"(?<![\w.:/-])/(?:work|root|home/\w+)/[\w.]")


def tracked(*patterns: str) -> list[Path]:
    run = ["git", "ls-files", "-z", "--", *patterns]
    names = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""  # a picture, or weights


def test_files_are_short_or_say_why():
    lengths = {str(path.relative_to(ROOT)): text_of(path).count("\n") for path in tracked("*.py", "*.sh", "*.yaml")}
    long = {name for name, lines in lengths.items() if lines > 400}
    assert long <= set(LONG), f"over 400 lines, without a reason: {sorted(long - set(LONG))}"


def test_the_banned_word_is_not_in_our_sources():
    pattern = re.compile(BANNED, re.IGNORECASE)
    found = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("packages/*/src/*.py", "examples/*/src/*.py", "packages/*/src/**/*.py")
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(FOREIGN.sub("", line))
    }
    assert not found, "say noise schedule, learning-rate schedule or sampler"


def test_no_file_knows_a_machine():
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        if path != Path(__file__)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if PLACES.search(line)
    }
    assert not found


@pytest.mark.parametrize("line", ["see /work/repository/x", 'open("/root/.cache")', "/home/someone/x"])
def test_a_machine_is_recognised(line):
    assert PLACES.search(line)


@pytest.mark.parametrize("line", ["/workspace", "https://x.org/work/y", "a/root/b", "./work/x"])
def test_other_paths_are_not(line):
    assert not PLACES.search(line)
