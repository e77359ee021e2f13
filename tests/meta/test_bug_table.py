"""Every bug of the original code in docs/blip3o.md is held by tests that exist, or says why it cannot be repeated."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
EXCUSE = "cannot be repeated here: "


def rows():
    """Number, their bug, our behaviour and what holds it, of every row of the table."""
    page = (ROOT / "docs" / "blip3o.md").read_text(encoding="utf-8")
    table = page.partition("## Their bugs and our behaviour")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in cells if len(row) == 4 and row[0]}


@cache
def functions_of(name):
    """Functions of the files of a name, anywhere in the repository."""
    files = [path for folder in ("tests", "packages") for path in (ROOT / folder).rglob(name)]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    return {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_number_has_a_row():
    assert {number for number in rows() if number.startswith("Q")} == {f"Q{each}" for each in range(1, 39)}


@pytest.mark.parametrize("number", rows())
def test_a_row_is_held(number):
    _, ours, held = rows()[number]
    assert ours
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", held)
    assert named or held.startswith(EXCUSE)
    for file, test in named:
        assert test in functions_of(file), f"{file} has no {test}"


def test_tests_with_a_number_stand_in_their_row():
    found = {test for name in ("test_blip3o_bugs.py", "test_traces.py") for test in functions_of(name)}
    for test in found:
        if number := re.match(r"test_q(\d+)_", test):
            assert f"::{test}`" in rows()[f"Q{int(number[1])}"][2], test
