"""What an importer is: a layout of foreign checkpoints, its table of rules, and its config in our terms and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve, frozen

from diptych.errors import CheckpointError, suggest
from diptych.importing.facts import TensorFacts
from diptych.importing.files import WeightFiles
from diptych.importing.rules import AnyRule
from diptych.spec.model import ModelSpec
from diptych.spec.part import PartSpec


@frozen
class Foreign:
    """A foreign checkpoint before any tensor is read.

    Attributes:
        config: its config file, as data.
        tensors: type and shape of its tensors by name.
        folder: where it lies; None when a config is made for an export.
        layout: which of several ways of naming its tensors it has, where its importer knows several.
        config_file: what `config` is called in errors.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, TensorFacts]
    folder: Path | None = None
    layout: str = ""
    config_file: str = "config.json"

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor that the layout always has.

        Raises:
            CheckpointError: if it is not there.
        """
        if name not in self.tensors:
            raise CheckpointError(f"the checkpoint has no tensor '{name}'{suggest(name, self.tensors)}")
        return self.tensors[name].shape

    def value(self, key: str) -> Any:
        """Return a value of the config that the layout always has; a path such as `vision_config.depth` goes inside.

        Raises:
            CheckpointError: if it is not there.
        """
        value: Any = self.config
        for each in key.split("."):
            if not isinstance(value, Mapping) or each not in value:
                raise CheckpointError(f"{self.config_file} has no '{key}', which this layout needs")
            value = value[each]
        return value

    def section(self, path: str) -> Foreign:
        """Return the same checkpoint with another of its config files for its config; see `Importer.more_configs`.

        Raises:
            CheckpointError: if it has no such file.
        """
        if path not in self.config:
            raise CheckpointError(f"{self.folder / path if self.folder else path} is missing")
        return evolve(self, config=self.config[path], config_file=path)

    def count(self, prefix: str) -> int:
        """Count numbered modules: `model.layers` of `model.layers.0.…`, `model.layers.1.…` are 2."""
        start = f"{prefix}."
        found = {name[len(start) :].partition(".")[0] for name in self.tensors if name.startswith(start)}
        return len({each for each in found if each.isdigit()})


class Importer(PartSpec):
    """Base of importers: what it takes to read one layout of checkpoints, and to write it again.

    `describe` and `config` are each other's inverse on what both can say; exporting checks that.
    """

    kind: ClassVar[str] = "importer"
    model_types: ClassVar[tuple[str, ...]] = ()
    """Values of `model_type` in the config that this layout goes by; empty if its config has none."""
    config_file: ClassVar[str] = "config.json"
    more_configs: ClassVar[tuple[str, ...]] = ()
    """Further config files that a folder may have; each stands in `Foreign.config` under its path, if it is there."""
    files: ClassVar[tuple[WeightFiles, ...]] = (WeightFiles(),)
    left_out: ClassVar[Mapping[str, str]] = {}
    """Slots that are not imported unless asked for, with the reason."""

    @abstractmethod
    def describe(self, foreign: Foreign) -> dict[str, Any]:
        """Return the model spec as plain data, its `name` left out."""

    @property
    def reference(self) -> Mapping[str, Any]:
        """Return what else the model spec says under reference numerics, as plain data; nothing beyond the switches."""
        return {}

    @abstractmethod
    def rules(self, foreign: Foreign) -> Sequence[AnyRule]:
        """Return the table: their names -> ours."""

    def absent(self, foreign: Foreign) -> Mapping[str, str]:
        """Return slots that a checkpoint of this layout may have and this one has not, each with what it then lacks."""
        return {}

    @abstractmethod
    def config(self, spec: ModelSpec, original: Mapping[str, Any]) -> dict[str, Any]:
        """Return the foreign config of a model; fields that we have no word for come from the original."""

    def layout(self, foreign: Foreign) -> str:
        """Return which of several ways of naming tensors a checkpoint has, if the importer knows several.

        It is kept with the imported checkpoint, and is `Foreign.layout` wherever that is read or exported.
        """
        return ""

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """Return a spec with sizes written out that it leaves to rules: two that mean the same are then equal."""
        return spec

    def tokenizer(self, foreign: Foreign, rows: int) -> dict[str, Any]:
        """Return the tokenizer of a folder as plain data, for tables of so many rows.

        Raises:
            CheckpointError: if the folder has no tokenizer.json.
        """
        assert foreign.folder is not None
        for path in (foreign.folder / "tokenizer.json", foreign.folder / "tokenizer" / "tokenizer.json"):
            if path.is_file():
                return {"type": "file", "path": str(path.resolve()), "size": rows}
        raise CheckpointError(
            f"{foreign.folder} has no tokenizer.json; write one with transformers: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )

    def check(self, foreign: Foreign) -> None:
        """Refuse a checkpoint of another family.

        Raises:
            CheckpointError: naming what it says it is.
        """
        said = foreign.config.get("model_type")
        if self.model_types and said not in self.model_types:
            raise CheckpointError(
                f"its config says model_type {said!r}, but this importer reads {' or '.join(self.model_types)}"
            )
