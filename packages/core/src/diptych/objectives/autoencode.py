"""The own loss of an autoencoder."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor, nn

from diptych.objectives.batch import Batch


class AutoencodeObjective(nn.Module):
    """Pixels -> the terms of the autoencoder's own loss."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def forward(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Compute each term's mean over the samples that have a picture: -> {"autoencode/<term>": scalar}."""
        if not batch.pictured:
            return {}
        batch.model.need(f"vision.{self.part}")
        part: Any = batch.model.parts.vision[self.part]
        terms = part.loss(batch.pixels(self.part), generator)
        return {f"autoencode/{name}": value.mean() for name, value in terms.items()}
