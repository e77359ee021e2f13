"""Pictures written into the sequence: what the backbone makes of prompts and the ids after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from torch import Tensor

from diptych.errors import RequestError
from diptych.sequences import Sequences


if TYPE_CHECKING:
    from diptych.model import UnifiedModel


def states_of_written(model: UnifiedModel, sequences: Sequences, step: str, ids: Tensor) -> Tensor:
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
    """Prompts, pictures as words, and what closes them, padded on the right: ids [b s], mask [b s] (True = real)."""

    ids: Tensor
    mask: Tensor

    @staticmethod
    def of(model: UnifiedModel, prompts: Sequence[str], step: str, ids: Tensor) -> WholeRows:
        """Put prompts and the ids [b n] of a step's pictures together, as a head does whose ids are words.

        Raises:
            RequestError: if the ids of this step have a table of their own.
        """
        words = getattr(model.parts.step(step)["head"].table, "words", None)
        if words is None:
            raise RequestError(f"the ids of step '{step}' are no words of the backbone, so text cannot hold them")
        rows = [
            (*model.prompts.painting(prompt, 0, learning=True).ids, *own, *model.prompts.painted())
            for prompt, own in zip(prompts, words(ids).tolist(), strict=True)
        ]
        longest = max(map(len, rows))
        padded = torch.tensor([row + (0,) * (longest - len(row)) for row in rows], device=model.device)
        lengths = torch.tensor([[len(row)] for row in rows], device=model.device)
        return WholeRows(padded, torch.arange(longest, device=model.device) < lengths)

    def states(self, model: UnifiedModel) -> Tensor:
        """Run the backbone: -> [b s d], at padding too, whose embeddings are zeros."""
        embeds = model.parts.backbone.embed(self.ids) * self.mask[..., None]
        return model.parts.backbone(embeds, self.mask)

    def loss(self, model: UnifiedModel) -> Tensor:
        """Compute the cross-entropy of each word but the first, given all before it: -> its mean, a scalar.

        Raises:
            RequestError: if the model has no text head.
        """
        if model.spec.text is None:
            raise RequestError("learning whole texts needs a text head: put `text: {type: next-token}` into the spec")
        labels = self.ids.masked_fill(~self.mask, -100)[:, 1:]
        wanted = labels != -100
        states = self.states(model)[:, :-1][wanted]
        return model.parts.text.loss(states, labels[wanted], model.parts.backbone).mean()
