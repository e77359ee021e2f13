"""Greedy continuation of conversations, batched, with a key/value cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diptych.data.sample import Turn


if TYPE_CHECKING:
    from diptych.model import UnifiedModel


def continue_text(model: UnifiedModel, conversations: Sequence[Sequence[Turn]], max_tokens: int) -> list[str]:
    """Continue each conversation until its turn ends or `max_tokens` were written."""
    tokens = _read_pictures(model, conversations)
    length = 0 if tokens is None else tokens.shape[1]
    batch = model.sequences([model.prompts.conversation(turns, length) for turns in conversations])
    backbone, cache = model.parts.backbone, model.parts.backbone.new_cache()
    state = model.states(batch, tokens, cache=cache)[:, -1]
    mask, written, stop = batch.mask, [], model.prompts.stop_id()
    ended = torch.zeros(len(conversations), dtype=torch.bool, device=mask.device)
    for _ in range(max_tokens):
        chosen = model.parts.text.logits(state, backbone).argmax(-1)
        written.append(chosen)
        ended |= chosen == stop
        if ended.all():
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        state = backbone(backbone.embed(chosen[:, None]), mask, cache)[:, -1]
    rows = torch.stack(written, 1).tolist()
    return [model.tokenizer.decode(model.prompts.spoken(row)).strip() for row in rows]


def _read_pictures(model: UnifiedModel, conversations: Sequence[Sequence[Turn]]) -> Tensor | None:
    pictures = [picture for turns in conversations for turn in turns for picture in turn.pictures()]
    if not pictures:
        return None
    assert model.spec.understand is not None
    name = model.spec.understand.encoder
    return model.reading_tokens(model.encode(name, model.pixels(name, pictures)))
