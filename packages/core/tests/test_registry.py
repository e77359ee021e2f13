"""The registry: names, aliases, and what is said about names that it does not hold."""

import sys

import pytest

from diptych.errors import DuplicateNameError, PluginError, UnknownNameError
from diptych.registry import KINDS, Component, Registry
from diptych.vision.patches import Patches


PATCHES = Component("patches", "diptych.vision.patches:Patches", "pixels", aliases=("pixel-patches",))


@pytest.fixture
def registry():
    made = Registry()
    made.add("encoder", PATCHES, "one-dist")
    return made


def test_a_name_and_its_aliases_load_the_same(registry):
    assert registry.load("encoder", "patches") is registry.load("encoder", "pixel-patches") is Patches
    assert registry.names("encoder") == ["patches"]
    assert [entry.component for entry in registry.entries()] == [PATCHES]
    assert registry.name_of("encoder", Patches) == "patches"
    assert registry.name_of("decoder", Patches) is None


@pytest.mark.parametrize("name", ["patches", "pixel-patches"])
def test_a_name_taken_is_refused_and_the_registry_stays_as_it_was(registry, name):
    newcomer = Component("newcomer", "a:B", aliases=(name,))
    with pytest.raises(DuplicateNameError, match="by one-dist and by two-dist"):
        registry.add("encoder", newcomer, "two-dist")
    assert registry.names("encoder") == ["patches"]
    registry.add("decoder", newcomer, "two-dist")  # kinds have names of their own


def test_an_unknown_name_is_answered_with_the_nearest_and_all(registry):
    with pytest.raises(UnknownNameError) as caught:
        registry.find("encoder", "pathces")
    assert str(caught.value).splitlines() == [
        "unknown encoder 'pathces'; did you mean 'patches'?",
        "known encoders: patches, pixel-patches",
    ]


@pytest.mark.parametrize("target", ["no_such_module:Spec", "diptych.vision.patches:Pathces", "core_cases.broken:Spec"])
def test_a_target_that_cannot_be_imported_names_the_distribution(registry, target, tmp_path, monkeypatch):
    (tmp_path / "broken_target.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    target = target.replace("core_cases.broken", "broken_target")
    registry.add("decoder", Component("bad", target), "bad-dist")
    with pytest.raises(PluginError, match=f"decoder 'bad' of bad-dist points at '{target}'"):
        registry.load("decoder", "bad")


def test_adding_imports_nothing(registry):
    registry.add("decoder", Component("lazy", "colorsys:ONE_THIRD"), "dist")
    before = set(sys.modules)
    list(registry.entries())
    registry.find("decoder", "lazy")
    assert set(sys.modules) == before


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-a", "a/b", "ä"])
def test_names_are_lower_case_words(name):
    with pytest.raises(ValueError, match="name"):
        Component(name, "a:B")


def test_every_kind_says_what_it_is():
    assert all(KINDS.values())
