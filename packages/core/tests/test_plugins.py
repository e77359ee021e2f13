"""A broken plugin is named, set aside, repeated in later errors, and fatal only under the strict switch."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from core_cases.plugins import hook, plugin, raising

from diptych import plugins as loader
from diptych.errors import DuplicateNameError, PluginError, UnknownNameError
from diptych.plugins import PluginSource, load_plugins


GOOD = plugin(hook("encoder", "good"), "good", "good-dist")


def test_a_plugin_fills_the_registry():
    filled = load_plugins([GOOD])
    (entry,) = filled.registry.entries("encoder")
    assert (entry.component.name, entry.distribution) == ("good", "good-dist")
    assert filled.loaded[0].error is None


BROKEN = [
    ("import nothing_of_that_name", "ModuleNotFoundError"),
    ("1 / 0", "ZeroDivisionError"),
    ("def f(:", "SyntaxError"),
    ("raise SystemExit(3)", "SystemExit"),
    ("@hookimpl\ndef diptych_register_encoder(model):\n    return []", "its signature is (model)"),
    ("@hookimpl\ndef diptych_register_encodre():\n    return []", "did you mean 'diptych_register_encoder'?"),
    ("@hookimpl\ndef diptych_before_training():\n    return []", "no hook is called 'diptych_before_training'"),
    ("@hookimpl\ndef diptych_register_encoder():\n    return ['clip']", "returned 'clip', not a diptych.Component"),
    ("@hookimpl\ndef diptych_register_encoder():\n    return None", "diptych_register_encoder returned None"),
    ("@hookimpl\ndef diptych_register_encoder():\n    return 3", "not iterable"),
    ("@hookimpl\ndef diptych_register_encoder():\n    raise RuntimeError('no')", "RuntimeError: no"),
    (hook("encoder", "Not A Name"), "name"),
    (hook("encoder", "x", target="no target"), "target"),
    (hook("encoder", "twice", "twice"), "registered twice: by bad-dist and by bad-dist"),
]


@pytest.mark.parametrize(("source", "says"), BROKEN, ids=[says.split()[0] for _, says in BROKEN])
def test_a_broken_plugin_is_set_aside_and_named(source, says):
    filled = load_plugins([plugin(source, "bad", "bad-dist"), GOOD])
    bad, good = filled.loaded
    assert says in bad.error
    assert good.error is None
    assert filled.registry.names("encoder") == ["good"]
    with pytest.raises(UnknownNameError) as caught:
        filled.registry.find("encoder", "clip")
    assert "note: plugin 'bad' of bad-dist 1.2 failed: " in str(caught.value)


@pytest.mark.parametrize(("source", "says"), BROKEN, ids=[says.split()[0] for _, says in BROKEN])
def test_under_the_strict_switch_it_is_an_error(source, says):
    with pytest.raises(PluginError, match="plugin 'bad' of bad-dist") as caught:
        load_plugins([plugin(source, "bad", "bad-dist"), GOOD], strict=True)
    assert says in str(caught.value)


def test_an_entry_point_that_is_not_there_is_set_aside():
    entry = EntryPoint("gone", "nothing_of_that_name:plugin", "diptych")
    filled = load_plugins([loader._source(entry), GOOD])
    assert "ModuleNotFoundError" in filled.loaded[0].error
    assert filled.loaded[0].distribution == "an unknown distribution"


def test_an_error_without_a_text_is_still_named():
    source = PluginSource("silent", "silent-dist", "0", raising(ValueError()))
    assert load_plugins([source]).loaded[0].error.startswith("ValueError")


def test_two_plugins_of_one_name_are_both_named_and_the_first_stays():
    other = plugin(hook("encoder", "good", "other"), "other", "other-dist")
    filled = load_plugins([GOOD, other])
    error = filled.loaded[1].error
    assert "encoder 'good' is registered twice: by good-dist and by other-dist" in error
    assert "uninstall one of them" in error
    assert filled.registry.find("encoder", "good").distribution == "good-dist"
    assert filled.registry.find("encoder", "other").distribution == "other-dist"


def test_the_strict_switch_is_an_environment_variable(monkeypatch):
    bad = plugin("1 / 0", "bad")
    monkeypatch.setattr(loader, "installed", lambda: [bad])
    for value, strict in [("", False), ("0", False), ("1", True)]:
        monkeypatch.setenv(loader.STRICT_VARIABLE, value)
        if strict:
            with pytest.raises(PluginError):
                loader.plugins.__wrapped__()
        else:
            assert loader.plugins.__wrapped__().loaded[0].error


def test_hooks_are_called_only_of_the_plugin_itself():
    helper = plugin("from diptych.plugin import diptych_register_backbone as _hidden\n" + hook("encoder", "one"))
    assert load_plugins([helper]).registry.names("encoder") == ["one"]


def test_a_broken_installed_plugin_does_not_take_the_tool_down(tmp_path):
    (tmp_path / "broken_plugin.py").write_text("import nothing_of_that_name")
    info = tmp_path / "broken_dist-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-dist\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text("[diptych]\nbroken = broken_plugin\n")
    run = [sys.executable, "-m", "diptych.cli.main"]
    code = "from diptych.cli.main import main; main(['list', 'encoder'])"
    run = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), loader.STRICT_VARIABLE: ""}
    out = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert out.returncode == 0
    assert "patches" in out.stdout
    assert "note: plugin 'broken' of broken-dist 3.1 failed: ModuleNotFoundError" in out.stderr
    strict = subprocess.run(
        run, env={**environment, loader.STRICT_VARIABLE: "1"}, capture_output=True, text=True, check=False
    )
    assert strict.returncode == 2
    assert "error: plugin 'broken' of broken-dist 3.1 failed" in strict.stderr
    assert "Traceback" not in strict.stderr


def test_duplicates_say_what_to_do():
    error = DuplicateNameError("encoder", "clip", "one", "two")
    assert (error.kind, error.name, error.first, error.second) == ("encoder", "clip", "one", "two")
