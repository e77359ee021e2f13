"""Pictures written into the sequence: what the backbone makes of prompts and the ids after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from torch import Tensor

from diptych.data.sample import Wish
from diptych.errors import RequestError
from diptych.sequences import Sequences, put_pictures
from diptych.shown import Album


if TYPE_CHECKING:
    from diptych.ways import Ways


def states_of_written(model: Ways, sequences: Sequences, step: str, ids: Tensor) -> Tensor:
    """Run the backbone over painting prompts and what a step wrote after them.

    ids [b n] -> states [b 1+n d]: of the prompt's last word, and of each id; padding of prompts is masked.
    """
    head: Any = model.parts.step(step)["head"]
    embeds, mask = model.opening(sequences, step)
    embeds = torch.cat([embeds, head.embed(ids, model.parts.backbone)], 1)
    mask = torch.cat([mask, mask.new_ones(ids.shape)], 1)
    return model.parts.backbone(embeds, mask)[:, -ids.shape[1] - 1 :]


@frozen(eq=False)
class WholeRows:
    """Prompts, pictures as words, and what closes them, padded on the right.

    Attributes:
        ids: [b s].
        mask: real ones [b s].
        learned: those that are to be predicted [b s]: all but those of pictures that a prompt starts from.
        images: (row, start, length) of such pictures.
        tokens: what the backbone reads of them [k n d]; None if there are none.
    """

    ids: Tensor
    mask: Tensor
    learned: Tensor
    images: tuple[tuple[int, int, int], ...]
    tokens: Tensor | None

    @staticmethod
    def of(model: Ways, wishes: Sequence[Wish], step: str, ids: Tensor, album: Album | None = None) -> WholeRows:
        """Put wishes and the ids [b n] of a step's pictures together, as a head does whose ids are words.

        Raises:
            RequestError: if the ids of this step have a table of their own.
        """
        words = getattr(model.parts.step(step)["head"].table, "words", None)
        if words is None:
            raise RequestError(f"the ids of step '{step}' are no words of the backbone, so text cannot hold them")
        _, tokens = model.look(wishes, album)
        length = None if tokens is None else tokens.shape[1]
        asked = [model.prompts.painting(wish, 0, image_tokens=length, learning=True) for wish in wishes]
        rows = [
            (*each.ids, *own, *model.prompts.painted()) for each, own in zip(asked, words(ids).tolist(), strict=True)
        ]
        longest = max(map(len, rows))
        padded = torch.tensor([row + (0,) * (longest - len(row)) for row in rows], device=model.device)
        lengths = torch.tensor([[len(row)] for row in rows], device=model.device)
        mask = torch.arange(longest, device=model.device) < lengths
        images = tuple((row, span.start, span.length) for row, each in enumerate(asked) for span in each.images)
        learned = mask.clone()
        for row, start, length in images:
            learned[row, start : start + length] = False
        return WholeRows(padded, mask, learned, images, tokens)

    def states(self, model: Ways) -> Tensor:
        """Run the backbone: -> [b s d], at padding too, whose embeddings are zeros."""
        embeds = model.parts.backbone.embed(self.ids) * self.mask[..., None]
        return model.parts.backbone(put_pictures(embeds, self.images, self.tokens), self.mask)

    def loss(self, model: Ways) -> Tensor:
        """Compute the cross-entropy of each word but the first, given all before it: -> its mean, a scalar.

        Raises:
            RequestError: if the model has no text head.
        """
        if model.spec.text is None:
            raise RequestError("learning whole texts needs a text head: put `text: {type: next-token}` into the spec")
        labels, wanted = self.ids[:, 1:], self.learned[:, 1:]
        model.need("backbone", "text")
        states = self.states(model)[:, :-1][wanted]
        return model.parts.text.loss(states, labels[wanted], model.parts.backbone).mean()
