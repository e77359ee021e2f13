"""Next-token loss on the assistant's text and thoughts."""

from __future__ import annotations

import torch
from attrs import evolve
from torch import Generator, Tensor, nn

from diptych.errors import RequestError
from diptych.objectives.batch import Batch
from diptych.sequences import Sequences


class AnswerObjective(nn.Module):
    """Cross-entropy of learned positions, averaged over them; states elsewhere never become logits."""

    def __init__(self, noising: float) -> None:
        super().__init__()
        self.noising = noising

    def forward(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Compute the loss over the samples that have an answer: -> {"answer": scalar}, or nothing."""
        model = batch.model
        thoughts = bool(model.spec.prompt.think_open)
        chosen = [row for row, sample in enumerate(batch.samples) if sample.has_answer(thoughts=thoughts)]
        if not chosen:
            return {}
        if model.spec.text is None:
            raise RequestError(
                "`answer` trains through the text head; put `text: {type: next-token}` into the model spec"
            )
        model.need("text")
        shown, tokens = batch.read(chosen), None
        if shown:
            if model.spec.understand is None:
                raise RequestError("these samples show pictures, but the model spec has no `understand`")
            features = batch.features(model.spec.understand.encoder)
            tokens = model.reading_tokens(features[shown])
        length = 0 if tokens is None else tokens.shape[1]
        sequences = model.sequences([model.prompts.learned(batch.samples[row], length) for row in chosen])
        if self.noising:
            kept = model.prompts.token_ids().values()
            sequences = noised(sequences, self.noising, torch.tensor(list(kept)), generator)
        states, labels = model.states(sequences, tokens)[:, :-1], sequences.labels[:, 1:]
        learned = labels != -100
        losses = model.parts.text.loss(states[learned], labels[learned], model.parts.backbone)
        return {"answer": losses.mean()}


def noised(sequences: Sequences, chance: float, kept: Tensor, generator: Generator) -> Sequences:
    """Put other words in the place of some that the assistant has said; what is to be learned stays.

    Unigram noising (Xie et al., arXiv 1703.02573, section 3.2): each learned id is read, with probability `chance`, as
    one drawn from all learned ids of the batch [b s]. The next word can then not be told from those before it alone,
    and must be looked for in the picture and the question. The ids `kept` [k], special tokens, stay where they are.
    """
    ids = sequences.ids.cpu()
    places = ((sequences.labels.cpu() != -100) & ~torch.isin(ids, kept)).nonzero()
    if not len(places):
        return sequences
    said = ids[tuple(places.T)]
    drawn = said[torch.randint(len(said), said.shape, generator=generator)]
    noisy = torch.rand(said.shape, generator=generator) < chance
    ids = ids.index_put(tuple(places.T), torch.where(noisy, drawn, said))
    return evolve(sequences, ids=ids.to(sequences.ids.device))
