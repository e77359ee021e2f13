"""The modules of a model, in one tree whose paths are the slots of its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from diptych.errors import DiptychError, Problem, SpecError
from diptych.spec.model import GenerateStep, ModelSpec
from diptych.spec.part import PartSpec


class Assembly(nn.Module):
    """Holds what the parts of a resolved spec build: `backbone`, `vision.clip`, `generate.features.head` …

    Tensor names are the slot's path in the spec followed by the module's own.
    """

    def __init__(self, spec: ModelSpec) -> None:
        """Build every part of a resolved spec.

        Raises:
            SpecError: naming the part that cannot be built as it is described.
        """
        super().__init__()
        self.backbone: Any = _build(spec.backbone, "backbone") if spec.backbone else None
        self.vision = _tree("vision", {name: _build(part, f"vision.{name}") for name, part in spec.vision.items()})
        if spec.understand and spec.understand.connector:
            self.understand = nn.ModuleDict({"connector": _build(spec.understand.connector, "understand.connector")})
        if spec.text:
            self.text: Any = _build(spec.text, "text")
        if spec.generate:
            self.generate = _tree("generate", {step.name: _step(step) for step in spec.generate})
        if spec.decode and spec.decode.decoder:
            self.decode = nn.ModuleDict({"decoder": _build(spec.decode.decoder, "decode.decoder")})

    @property
    def connector(self) -> Any:
        """The understanding connector, or None."""
        return self.understand["connector"] if hasattr(self, "understand") else None

    @property
    def decoder(self) -> Any:
        """The pixel decoder, or None."""
        return self.decode["decoder"] if hasattr(self, "decode") else None

    def step(self, name: str) -> Any:
        """The modules of a generate step: condition, head, and normalise if it has one."""
        return self.generate[name]


def _step(step: GenerateStep) -> nn.ModuleDict:
    path = f"generate.{step.name}"
    parts = {"condition": _build(step.condition, f"{path}.condition"), "head": _build(step.head, f"{path}.head")}
    if step.normalise:
        parts["normalise"] = _build(step.normalise, f"{path}.normalise")
    return nn.ModuleDict(parts)


def _build(part: PartSpec, path: str) -> nn.Module:
    try:
        return part.build()
    except (DiptychError, ImportError):
        raise
    except Exception as error:  # libraries refuse impossible sizes in any way they like
        message = f"cannot be built as it is described: {type(error).__name__}: {error}"
        raise SpecError([Problem(path, message)]) from error


def _tree(path: str, parts: Mapping[str, nn.Module]) -> nn.ModuleDict:
    try:
        return nn.ModuleDict(parts)
    except KeyError as error:  # torch keeps some names, such as `type` and `pop`, for itself
        raise SpecError([Problem(path, f"this name cannot be used: {error.args[0]}; choose another")]) from error
