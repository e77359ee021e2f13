"""What conditions read from: the states of one prompt pass, and what earlier steps made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from diptych.shown import Shown


class Readout(NamedTuple):
    """The backbone's states over `prompt, paint-open, queries`, padded on the left.

    Attributes:
        states: final-normed states [b s d].
        mask: real positions [b s], bool.
        queries: how many of the last positions are latent queries.
        steps: states that earlier generate steps left behind, [b 1+n d] by step name: of the word before what was
            written, and of each of the n ids.
        shown: pictures that the prompts start from; None if there are none.
    """

    states: Tensor
    mask: Tensor
    queries: int
    steps: Mapping[str, Tensor] = {}
    shown: Shown | None = None

    @property
    def query_states(self) -> Tensor:
        """States at the queries, [b q d]."""
        return self.states[:, self.states.shape[1] - self.queries :]

    @property
    def prompt_states(self) -> tuple[Tensor, Tensor]:
        """States before the queries, [b p d], and their mask [b p]."""
        end = self.states.shape[1] - self.queries
        return self.states[:, :end], self.mask[:, :end]


def read(part: Any, readout: Readout) -> tuple[Tensor, Tensor, Tensor | None]:
    """Read a condition: -> tokens [b q d], real ones [b q], and those of pictures [b q]; None if none can be."""
    condition, mask, *pictures = part(readout)
    return condition, mask, pictures[0] if pictures else None
