"""Where image ids become embeddings, and states become their logits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


class OwnTable(nn.Module):
    """An embedding widened by an MLP, and an MLP to logits, as in Janus (arXiv 2410.13848)."""

    def __init__(
        self, codes: int, width: int, *, embed_width: int, align_layers: int, output_width: int
    ) -> None:
        """Make both ways with fresh weights; see the spec."""
        super().__init__()
        self.embedding = nn.Embedding(codes, embed_width)
        widths = [embed_width, *[width] * align_layers]
        self.align = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.hidden = nn.Linear(width, output_width)
        self.output = nn.Linear(output_width, codes)

    def embed(self, ids: Tensor, backbone: Any) -> Tensor:
        """Embed image ids `… -> … d`."""
        x = self.align[0](self.embedding(ids))
        for layer in self.align[1:]:
            x = layer(functional.gelu(x))
        return x

    def place(self, like: Tensor) -> int:
        """Return where image id 0 stands among the scores."""
        return 0

    def logits(self, states: Tensor, backbone: Any) -> Tensor:
        """Score image ids: states `… d -> … codes`."""
        return self.output(functional.gelu(self.hidden(states)))


class BackboneTable(nn.Module):
    """Image id i is word `first + i` of the backbone; no other can be chosen, unless all can."""

    def __init__(self, codes: int, first: int | None, unconstrained: bool = False) -> None:
        """Take the number of ids and the first one's word, None where it is not looked up yet.

        With `unconstrained`, other words are scored too; they are ids below 0 or from `codes` on.
        """
        super().__init__()
        self.codes, self.first, self.unconstrained = codes, first, unconstrained

    def words(self, ids: Tensor) -> Tensor:
        """Return the words of image ids."""
        return ids + self._start(ids)

    def embed(self, ids: Tensor, backbone: Any) -> Tensor:
        """Embed image ids `… -> … d`."""
        return backbone.embed(self.words(ids))

    def place(self, like: Tensor) -> int:
        """Return where image id 0 stands among the scores."""
        return self._start(like) if self.unconstrained else 0

    def logits(self, states: Tensor, backbone: Any) -> Tensor:
        """Score image ids: states `… d -> … codes`."""
        start = self._start(states)
        if self.unconstrained:
            return backbone.logits(states)
        return backbone.logits(states)[..., start : start + self.codes]

    def _start(self, like: Tensor) -> int:
        if self.first is None and not like.is_meta:
            raise ValueError(
                "the head does not know which word image id 0 is: give `first_id`, or build it "
                "inside a model, whose tokenizer knows `first_token`"
            )
        return self.first or 0
