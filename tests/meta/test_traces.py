"""What was left behind in the original code by mistake is not left behind in ours (docs/blip3o.md, by number)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
OWN_IDS = {151_643, 151_655, 151_665, 151_667, 151_669, 151_671, 128_256, 128_257, 128_258}
"""Ids of special tokens that stand in the original code as numbers."""
SPOKEN = {"packages/core/src/diptych/training/log.py", "packages/heads/src/diptych_heads/benchmarks/image_ids.py"}
"""Files whose work is to print: the log of training, a benchmark."""


def trees():
    for path in SOURCES:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree):
    """Names of functions that are called, as written."""
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def docstrings(tree):
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, kinds)]
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def values(tree):
    """Constants of the code, its docstrings left out."""
    skipped = docstrings(tree)
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in skipped]


def test_q04_no_id_of_a_special_token_stands_in_the_code():
    assert not {name for name, tree in trees() if OWN_IDS & {each for each in values(tree) if type(each) is int}}


def test_q09_only_the_log_prints():
    assert {name for name, tree in trees() if "print" in calls(tree)} == SPOKEN


def test_q18_names_that_are_nowhere_defined_are_refused(tmp_path):
    """By the linter, with the settings that every commit is held to."""
    settings = ["--config", str(ROOT / "pyproject.toml"), "--output-format", "concise"]
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", *settings]
    (tmp_path / "wrong.py").write_text("def f():\n    return args.data_path\n")
    wrong = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True)
    assert "F821 Undefined name `args`" in wrong.stdout
    assert subprocess.run([*ruff, "--select", "F821", str(ROOT / "packages")], capture_output=True).returncode == 0


def test_q27_no_debugger_is_called():
    wanted = {"breakpoint", "pdb.set_trace", "ipdb.set_trace", "code.interact"}
    assert not {name for name, tree in trees() if wanted & calls(tree)}


def test_q31_no_file_lies_about_that_is_made_by_a_machine():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [name for name in names.split("\0") if re.search(r"\.pyc$|\.DS_Store$|__pycache__|\.orig$", name)]


def test_q36_no_device_is_chosen_by_the_code():
    """Devices come from outside: no `.cuda()`, no `cuda:1` but where help texts and reports name them."""
    moved = {name for name, tree in trees() if any(each.endswith(".cuda") for each in calls(tree))}
    assert not moved
    numbered = re.compile(r"cuda:\d")
    named = {
        name for name, tree in trees() if any(numbered.fullmatch(each) for each in values(tree) if type(each) is str)
    }
    assert not named


@pytest.mark.parametrize(
    ("code", "look", "found"),
    [("x = 151665", values, 151_665), ("breakpoint()", calls, "breakpoint"), ("m.cuda()", calls, "m.cuda")],
)
def test_what_is_looked_for_would_be_found(code, look, found):
    assert found in look(ast.parse(code))
