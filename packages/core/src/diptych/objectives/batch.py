"""A training batch: samples, and what the model makes of them, each computed once a step whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from diptych.data.sample import Picture, Sample, Turn
from diptych.model import UnifiedModel
from diptych.shown import Album


class Batch:
    """Samples of one step. Objectives share encoder passes through it."""

    def __init__(self, model: UnifiedModel, samples: Sequence[Sample]) -> None:
        """Hold samples of a model's batch."""
        self.model, self.samples = model, list(samples)

    @cached_property
    def pictured(self) -> list[int]:
        """Rows of the samples that have a picture."""
        return [row for row, sample in enumerate(self.samples) if sample.picture() is not None]

    @cached_property
    def pictures(self) -> list[Picture]:
        """All pictures of all samples, in order."""
        return [picture for sample in self.samples for turn in sample.turns for picture in turn.pictures()]

    @cached_property
    def album(self) -> Album:
        """Keeps what was encoded of `pictures`."""
        return Album(self.model, self.pictures)

    @cached_property
    def _places(self) -> list[list[int]]:
        """Where the pictures of each sample stand among `pictures`."""
        counts = [sum(len(turn.pictures()) for turn in sample.turns) for sample in self.samples]
        return [list(range(sum(counts[:row]), sum(counts[: row + 1]))) for row in range(len(counts))]

    def pixels(self, name: str) -> Tensor:
        """Preprocess `pictures` for a vision part: -> [k 3 h w]."""
        return self.model.pixels(name, self.pictures)

    def features(self, name: str) -> Tensor:
        """Encode `pictures` by a vision part, once a step: -> [k n d]; no graph if nothing in it trains."""
        return self.album.features(name)

    def rows(self, chosen: Sequence[int]) -> Tensor:
        """Return where the first picture of each chosen sample stands among `pictures`."""
        return self._indices([self._places[row][0] for row in chosen])

    def made(self, chosen: Sequence[int]) -> Tensor:
        """Return where the last picture of each chosen sample, the one to be made, stands among `pictures`."""
        return self._indices([self._places[row][-1] for row in chosen])

    def read(self, chosen: Sequence[int]) -> list[int]:
        """Return where the pictures of the chosen samples that are read stand among `pictures`, in order.

        They are all of a sample's, but for the one to be made where nothing is said of it.
        """
        ends = {row: -1 if self.samples[row].only_paints() else None for row in chosen}
        return [place for row in chosen for place in self._places[row][: ends[row]]]

    def _indices(self, places: list[int]) -> Tensor:
        return torch.tensor(places, dtype=torch.long, device=self.model.device)

    def captioned(self) -> tuple[list[int], list[str]]:
        """Return the rows that pair a picture with a text that describes it, and these texts."""
        found = []
        for row in self.pictured:
            sample = self.samples[row]
            painted = sample.picture_to_make() is not None and not sample.turns[0].pictures()
            text = sample.facts.get("caption") or (sample.turns[0].text() if painted else "")
            if text:
                found.append((row, text))
        return [row for row, _ in found], [text for _, text in found]

    def text_states(self, texts: Sequence[str]) -> Tensor:
        """Run texts as users' turns through the backbone: -> the last state of each [k d]."""
        encoded = [self.model.prompts.conversation([Turn("user", (text,))], 0) for text in texts]
        return self.model.states(self.model.sequences(encoded))[:, -1]
