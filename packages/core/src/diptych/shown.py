"""Pictures that requests start from: encoded once, whoever asks, and laid out beside the requests of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from diptych.data.sample import Picture, Wish, shown_in


if TYPE_CHECKING:
    from diptych.ways import Ways


class Album:
    """Pictures, each encoded at most once by each vision part. They are known by identity."""

    def __init__(self, model: Ways, pictures: Sequence[Picture]) -> None:
        """Hold pictures for a model to encode."""
        self.model, self.pictures = model, list(pictures)
        self._places = {id(picture): place for place, picture in reversed(list(enumerate(self.pictures)))}
        self._features: dict[str, Tensor] = {}

    @staticmethod
    def of(model: Ways, wishes: Sequence[Wish]) -> Album:
        """Hold the pictures of wishes, each once."""
        return Album(model, list({id(each): each for wish in wishes for each in shown_in(wish)}.values()))

    def features(self, name: str) -> Tensor:
        """Encode all pictures by a vision part: -> features or latents [k n d], or ids [k n]; see `Ways.encode`."""
        if name not in self._features:
            trains = any(each.requires_grad for each in self.model.eye(name)[1].parameters())
            with torch.set_grad_enabled(trains):  # no graph if nothing in the part trains
                self._features[name] = self.model.encode(name, self.model.pixels(name, self.pictures))
        return self._features[name]

    def shown(self, wishes: Sequence[Wish]) -> Shown | None:
        """Return the pictures of wishes, all of them in this album; None if they have none."""
        places = [self._places[id(picture)] for wish in wishes for picture in shown_in(wish)]
        counts = tuple(len(shown_in(wish)) for wish in wishes)
        return Shown(counts, lambda name: self.features(name)[places]) if places else None


class Shown(NamedTuple):
    """The pictures that a batch of requests starts from.

    Attributes:
        counts: how many of them each request has.
        features: name of a vision part -> what it makes of all pictures, in order: [k n d], or ids [k n].
    """

    counts: tuple[int, ...]
    features: Callable[[str], Tensor]

    def laid_out(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Put tokens [k n d], n a picture, beside their requests: -> [b (m n) d], real ones [b (m n)].

        m is the most pictures of a request; others have zeros in their places.
        """
        most, (_, length, width) = max(self.counts), tokens.shape
        rows = [row for row, count in enumerate(self.counts) for _ in range(count)]
        places = [place for count in self.counts for place in range(count)]
        at = (torch.tensor(rows, device=tokens.device), torch.tensor(places, device=tokens.device))
        laid = tokens.new_zeros(len(self.counts), most, length, width).index_put(at, tokens)
        counts = torch.tensor(self.counts, device=tokens.device)
        real = torch.arange(most, device=tokens.device) < counts[:, None]
        return laid.flatten(1, 2), real.repeat_interleave(length, 1)
