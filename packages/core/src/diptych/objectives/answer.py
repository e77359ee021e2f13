"""Next-token loss on the assistant's text."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from diptych.errors import RequestError
from diptych.objectives.batch import Batch


class AnswerObjective(nn.Module):
    """Cross-entropy of learned positions, averaged over them; states elsewhere never become logits."""

    def forward(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Compute the loss over the samples that have an answer: -> {"answer": scalar}, or nothing."""
        model = batch.model
        chosen = [row for row, sample in enumerate(batch.samples) if sample.has_answer()]
        if not chosen:
            return {}
        if model.spec.text is None:
            raise RequestError(
                "`answer` trains through the text head; put `text: {type: next-token}` into the model spec"
            )
        pictured = [row for row in chosen if batch.samples[row].picture() is not None]
        tokens = None
        if pictured:
            if model.spec.understand is None:
                raise RequestError("these samples show pictures, but the model spec has no `understand`")
            features = batch.features(model.spec.understand.encoder)
            tokens = model.reading_tokens(features[batch.shown(pictured)])
        length = 0 if tokens is None else tokens.shape[1]
        sequences = model.sequences([model.prompts.conversation(batch.samples[row].turns, length) for row in chosen])
        states, labels = model.states(sequences, tokens)[:, :-1], sequences.labels[:, 1:]
        learned = labels != -100
        losses = model.parts.text.loss(states[learned], labels[learned], model.parts.backbone)
        return {"answer": losses.mean()}
