"""The registry: which parts exist, by kind and name, without importing any of them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import field, frozen
from attrs.validators import matches_re

from diptych.errors import DuplicateNameError, PluginError, UnknownNameError


KINDS: dict[str, str] = {
    "backbone": "the language model where everything meets",
    "tokenizer": "text <-> ids, with special tokens by name",
    "encoder": "pixels -> features",
    "autoencoder": "pixels <-> latents",
    "image_tokenizer": "pixels <-> ids",
    "connector": "features -> another width",
    "condition": "what a generation head receives",
    "normaliser": "target <-> the units a head works in",
    "head": "condition -> target, and the text head",
    "network": "the denoiser inside a head",
    "noise_schedule": "alpha(t), sigma(t) and their derivatives",
    "timesteps": "how training draws t",
    "sampler": "integrates from noise to a target",
    "guidance": "combines conditional and null predictions",
    "decoder": "target -> pixels",
    "objective": "a training loss over the whole model",
    "dataset": "a stream of samples",
    "metric": "scores a model on a dataset",
    "importer": "foreign checkpoints <-> ours",
    "spec": "a named file: a model spec, recipe, suite or trained model, shipped as data",
}


@frozen
class Component:
    """One record of a plugin: a name, and where the thing it names lives.

    `target` is `module:attribute`; nothing is imported until the name is used.
    """

    name: str = field(validator=matches_re(r"[a-z0-9][a-z0-9._+-]*"))
    target: str = field(validator=matches_re(r"[\w.]+:[\w./-]+"))
    summary: str = ""
    aliases: tuple[str, ...] = ()


@frozen
class Registered:
    """A component together with its kind and the distribution that supplied it."""

    kind: str
    component: Component
    distribution: str

    def load(self) -> Any:
        """Import the target; of a spec, find the file in its package.

        Raises:
            PluginError: if the module or the attribute is not there; names the distribution.
        """
        module, _, attribute = self.component.target.partition(":")
        try:
            if self.kind == "spec":
                return Path(str(files(module).joinpath(attribute)))
            return getattr(import_module(module), attribute)
        except Exception as error:  # a module may fail in any way while it is imported
            raise PluginError(
                f"{self.kind} '{self.component.name}' of {self.distribution} points at "
                f"'{self.component.target}', which cannot be imported: {type(error).__name__}: {error}"
            ) from error


class Registry:
    """All registered parts. Filled once by the plugin loader, then only read."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_kind: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        self._names_by_target: dict[tuple[str, str], str] = {}
        self.failures: list[str] = []

    def add(self, kind: str, component: Component, distribution: str) -> None:
        """Add one record under its name and its aliases.

        Raises:
            DuplicateNameError: if the kind already has one of these names; the registry is left as it was.
        """
        table, entry = self._by_kind[kind], Registered(kind, component, distribution)
        names = (component.name, *component.aliases)
        for name in names:
            if name in table:
                raise DuplicateNameError(kind, name, table[name].distribution, distribution)
        table.update(dict.fromkeys(names, entry))
        self._names_by_target[kind, component.target] = component.name

    def find(self, kind: str, name: str) -> Registered:
        """Return the record of a name.

        Raises:
            UnknownNameError: with the nearest name, all names, and the plugins that failed to load.
        """
        table = self._by_kind[kind]
        if name not in table:
            raise UnknownNameError(kind, name, table, self.failures)
        return table[name]

    def load(self, kind: str, name: str) -> Any:
        """Import what a name stands for."""
        return self.find(kind, name).load()

    def name_of(self, kind: str, cls: type) -> str | None:
        """Return the registered name of a spec class, or None if it has none."""
        return self._names_by_target.get((kind, f"{cls.__module__}:{cls.__qualname__}"))

    def names(self, kind: str) -> list[str]:
        """Return every name of a kind, aliases left out, sorted."""
        return sorted({entry.component.name for entry in self._by_kind[kind].values()})

    def entries(self, kind: str | None = None) -> Iterator[Registered]:
        """Iterate over the records of one kind, or of all kinds, by name."""
        for each in [kind] if kind else KINDS:
            for name in self.names(each):
                yield self._by_kind[each][name]
