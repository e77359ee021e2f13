"""Plugins made on the spot: modules whose hooks are written as source."""

from collections.abc import Callable
from types import ModuleType

from diptych.plugins import PluginSource


HEADER = "from diptych import Component, hookimpl\n"


def plugin(source: str, name: str = "mine", distribution: str = "my-dist") -> PluginSource:
    """Make a plugin of the source of its module; the source runs when the plugin is loaded, and may fail then."""

    def load() -> ModuleType:
        module = ModuleType(f"plugin_{name}")
        exec(HEADER + source, module.__dict__)
        return module

    return PluginSource(name, distribution, "1.2", load)


def hook(kind: str, *names: str, target: str = "diptych.vision.patches:Patches") -> str:
    """Write the hook of a kind that returns one component a name."""
    made = ", ".join(f"Component({name!r}, {target!r}, 'a summary')" for name in names)
    return f"@hookimpl\ndef diptych_register_{kind}():\n    return [{made}]\n"


def raising(error: BaseException) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        raise error

    return load
