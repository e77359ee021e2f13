"""Finds plugins and fills the registry, one plugin at a time, so that a broken one cannot take the tool down."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pluggy
from attrs import frozen

from diptych import hookspecs
from diptych.errors import PluginError, suggest
from diptych.registry import KINDS, Component, Registry


GROUP = "diptych"
STRICT_VARIABLE = "DIPTYCH_STRICT_PLUGINS"
_PREFIX = "diptych_register_"


@frozen
class LoadedPlugin:
    """What became of one plugin: its name, distribution, and the reason if it was set aside."""

    name: str
    distribution: str
    version: str
    error: str | None = None


@frozen
class PluginSource:
    """A plugin before it is loaded; `load` may raise anything."""

    name: str
    distribution: str
    version: str
    load: Callable[[], ModuleType]


@frozen
class Plugins:
    """The filled registry and the fate of every plugin."""

    registry: Registry
    loaded: tuple[LoadedPlugin, ...]


@cache
def plugins() -> Plugins:
    """Load core's own parts and every installed plugin, once a process.

    With the environment variable DIPTYCH_STRICT_PLUGINS=1 a failing plugin is an error instead of a note.
    """
    return load_plugins(installed(), strict=os.environ.get(STRICT_VARIABLE, "") not in ("", "0"))


def registry() -> Registry:
    """Return the registry of this process."""
    return plugins().registry


def installed() -> list[PluginSource]:
    """List core's own plugin and the entry points of the group `diptych`, by name."""
    from diptych.version import __version__

    own = PluginSource("core", "diptych", __version__, lambda: import_module("diptych.plugin"))
    found = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    return [own, *(_source(each) for each in found)]


def load_plugins(sources: Iterable[PluginSource], *, strict: bool = False) -> Plugins:
    """Fill a new registry from plugins; each is guarded on its own.

    Raises:
        PluginError: with `strict`, for the first plugin that fails.
    """
    filled, fates = Registry(), []
    for source in sources:
        fate = _load_one(filled, source)
        if fate.error:
            note = f"plugin '{fate.name}' of {fate.distribution} {fate.version} failed: {fate.error}"
            if strict:
                raise PluginError(note)
            filled.failures.append(note)
        fates.append(fate)
    return Plugins(filled, tuple(fates))


def _source(entry: EntryPoint) -> PluginSource:
    name = entry.dist.name if entry.dist else "an unknown distribution"
    return PluginSource(entry.name, name, entry.dist.version if entry.dist else "?", entry.load)


def _load_one(filled: Registry, source: PluginSource) -> LoadedPlugin:
    """Add what one plugin registers; what clashes with another plugin is left out and named."""
    problems: list[str] = []
    try:
        records = _records(source.load())
        staged = Registry()  # a plugin that clashes with itself registers nothing
        for kind, component in records:
            staged.add(kind, component, source.distribution)
        for kind, component in records:
            try:
                filled.add(kind, component, source.distribution)
            except PluginError as error:
                problems.append(str(error))
    except (Exception, SystemExit) as error:  # a plugin may fail in any way; it is named and set aside
        problems.append(f"{type(error).__name__}: {error}")
    return LoadedPlugin(source.name, source.distribution, source.version, "; ".join(problems) or None)


def _records(module: ModuleType) -> list[tuple[str, Component]]:
    """Call every hook of one plugin through a manager of its own, and check what comes back."""
    _check_hook_names(module)
    manager = pluggy.PluginManager("diptych")
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    records = []
    for kind in KINDS:
        hook = getattr(manager.hook, _PREFIX + kind)
        answers = hook()
        if len(answers) < len(hook.get_hookimpls()):  # pluggy leaves None out
            raise PluginError(f"{_PREFIX}{kind} returned None, not a list of diptych.Component records")
        for returned in answers:
            for component in returned:
                if not isinstance(component, Component):
                    raise PluginError(f"{_PREFIX}{kind} returned {component!r}, not a diptych.Component record")
                records.append((kind, component))
    return records


def _check_hook_names(module: ModuleType) -> None:
    known = [_PREFIX + kind for kind in KINDS]
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("diptych_") and hasattr(function, "diptych_impl"):
            if name not in known:
                raise PluginError(f"no hook is called '{name}'{suggest(name, known)}")
            if inspect.signature(function).parameters:
                raise PluginError(
                    f"hook '{name}' takes no arguments, but its signature is {inspect.signature(function)}"
                )
