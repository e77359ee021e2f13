"""Hooks, kinds and documents agree, and everything that is registered says what it is."""

import inspect
import re
from pathlib import Path

import pytest

from diptych import hookspecs
from diptych.plugins import plugins
from diptych.registry import KINDS


ROOT = Path(__file__).parents[2]
HOOKS = {
    name.removeprefix("diptych_register_"): function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, "diptych_spec")
}
ENTRIES = list(plugins().registry.entries())


def test_every_hook_has_a_kind_and_every_kind_a_hook():
    assert set(HOOKS) == set(KINDS)


@pytest.mark.parametrize("kind", HOOKS)
def test_every_hook_says_what_it_returns_and_takes_nothing(kind):
    assert re.match(r"Return \w", inspect.getdoc(HOOKS[kind]) or "")
    assert not inspect.signature(HOOKS[kind]).parameters


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"spec"}))
def test_every_kind_has_its_contract(kind):
    """Specs are files."""
    table = (ROOT / "docs/contracts.md").read_text(encoding="utf-8")
    assert f"`{kind}`" in table or kind == "metric"


def test_every_plugin_of_the_workspace_loads():
    fates = {each.distribution: each.error for each in plugins().loaded}
    assert {"diptych", "diptych-encoders", "diptych-heads", "diptych-emoji"} <= fates.keys()
    assert not any(fates.values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.kind}/{e.component.name}")
def test_every_registered_name_says_what_it_is(entry):
    assert 5 <= len(entry.component.summary) <= 90
    assert not entry.component.summary.endswith(".")
    target = entry.load()
    if entry.kind == "spec":
        assert target.exists()
    else:
        assert target.kind == entry.kind
        assert inspect.getdoc(target)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_slot_has_something_to_choose(kind):
    assert [entry for entry in ENTRIES if entry.kind == kind]
