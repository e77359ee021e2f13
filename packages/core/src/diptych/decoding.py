"""Continuing text, batched, with a key/value cache: answers, and thoughts about what shall be painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diptych.data.sample import Thought, Turn, Wish
from diptych.seeds import generators
from diptych.sequences import Sequences
from diptych.shown import Album
from diptych.spec.model import Think


if TYPE_CHECKING:
    from diptych.model import UnifiedModel
    from diptych.ways import Ways


def continue_text(model: UnifiedModel, conversations: Sequence[Sequence[Turn]], max_tokens: int) -> list[str]:
    """Continue each conversation greedily until its turn ends or `max_tokens` were written."""
    tokens = _read_pictures(model, conversations)
    length = 0 if tokens is None else tokens.shape[1]
    batch = model.sequences([model.prompts.conversation(turns, length) for turns in conversations])
    rows = _continued(model, batch, tokens, lambda logits: logits.argmax(-1), model.prompts.stop_id(), max_tokens)
    return [model.tokenizer.decode(model.prompts.spoken(row)).strip() for row in rows]


def thoughts_about(
    model: Ways, wishes: Sequence[Wish], seeds: Sequence[int], how: Think, album: Album | None = None
) -> list[Thought]:
    """Write what is thought about each wish before it is painted, drawn at a temperature from numbers of its seed."""
    _, tokens = model.look(wishes, album)
    length = None if tokens is None else tokens.shape[1]
    batch = model.sequences([model.prompts.thinking(wish, image_tokens=length) for wish in wishes])
    own = generators(seeds, "thought")

    def choose(logits: Tensor) -> Tensor:
        if how.temperature == 0:
            return logits.argmax(-1)
        chances = (logits.float() / how.temperature).softmax(-1).cpu()
        drawn = [row.multinomial(1, generator=each) for row, each in zip(chances, own, strict=True)]
        return torch.cat(drawn).to(logits.device)

    stop = model.tokenizer.id_of(model.prompts.form.think_close)
    rows = _continued(model, batch, tokens, choose, stop, how.max_tokens)
    return [Thought(model.tokenizer.decode(row[: row.index(stop)] if stop in row else row).strip()) for row in rows]


def _continued(
    model: Ways,
    batch: Sequences,
    tokens: Tensor | None,
    choose: Callable[[Tensor], Tensor],
    stop: int,
    max_tokens: int,
) -> list[list[int]]:
    """Write ids after sequences until each has written `stop`, or all have `max_tokens`; `choose` is logits -> ids."""
    backbone, cache = model.parts.backbone, model.parts.backbone.new_cache()
    state = model.states(batch, tokens, cache=cache)[:, -1]
    mask, written = batch.mask, []
    ended = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)
    for _ in range(max_tokens):
        chosen = choose(model.parts.text.logits(state, backbone))
        written.append(chosen)
        ended |= chosen == stop
        if ended.all():
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        state = backbone(backbone.embed(chosen[:, None]), mask, cache)[:, -1]
    return torch.stack(written, 1).tolist()


def _read_pictures(model: UnifiedModel, conversations: Sequence[Sequence[Turn]]) -> Tensor | None:
    pictures = [picture for turns in conversations for turn in turns for picture in turn.pictures()]
    if not pictures:
        return None
    assert model.spec.understand is not None
    name = model.spec.understand.encoder
    return model.reading_tokens(model.encode(name, model.pixels(name, pictures)))
