"""The modules of a model, in one tree whose paths are the slots of its spec."""

from __future__ import annotations

from typing import Any

from torch import nn

from diptych.spec.model import GenerateStep, ModelSpec


class Assembly(nn.Module):
    """Holds what the parts of a resolved spec build: `backbone`, `vision.clip`, `generate.features.head` …

    Tensor names are the slot's path in the spec followed by the module's own.
    """

    def __init__(self, spec: ModelSpec) -> None:
        """Build every part of a resolved spec."""
        super().__init__()
        self.backbone: Any = spec.backbone.build()
        self.vision = nn.ModuleDict({name: part.build() for name, part in spec.vision.items()})
        if spec.understand and spec.understand.connector:
            self.understand = nn.ModuleDict({"connector": spec.understand.connector.build()})
        if spec.text:
            self.text: Any = spec.text.build()
        if spec.generate:
            self.generate = nn.ModuleDict({step.name: _step(step) for step in spec.generate})
        if spec.decode and spec.decode.decoder:
            self.decode = nn.ModuleDict({"decoder": spec.decode.decoder.build()})

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
    parts = {"condition": step.condition.build(), "head": step.head.build()}
    if step.normalise:
        parts["normalise"] = step.normalise.build()
    return nn.ModuleDict(parts)
