"""The head that has the backbone write image ids after a prompt."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from diptych.errors import RequestError
from diptych.precision import at_least_float32
from diptych_heads.autoregressive.picking import pick
from diptych_heads.draws import uniform
from diptych_heads.heads.branches import (
    Guidance,
    NullWords,
    acts,
    for_one_call,
    refuse_guidance_without_effect,
)
from diptych_heads.heads.request import check_request


_WORDS = NullWords(
    "drop_prompt",
    "prompt of sample {} is its own null prompt: `keep_first` and `keep_last` leave none of it to "
    "replace; keep fewer tokens, or leave the step's `guidance` out",
)


class AutoregressiveHead(nn.Module):
    """Next-id prediction over pictures, row by row (LlamaGen, arXiv 2406.06525).

    Unlike other heads it runs the backbone itself: its condition are the prompt's embeddings, and
    both of its methods take the backbone.
    """

    def __init__(
        self,
        table: nn.Module,
        *,
        width: int,
        grid: tuple[int, int],
        two_axes: bool,
        temperature: float,
        top_k: int,
        top_p: float,
        drop_prompt: float,
        kept: tuple[int, int],
        own_null: bool = True,
        null_id: int | None = None,
        whole_text: bool = False,
        last_states: bool = False,
    ) -> None:
        """Put the pieces together.

        Args:
            table: ids -> embeddings, states -> logits.
            width: of the backbone.
            grid: rows and columns of ids.
            two_axes: learn rows and columns, which start at zero.
            temperature: of sampling.
            top_k: of sampling, 0 for all.
            top_p: of sampling, 1 for all.
            drop_prompt: share of training samples whose prompt becomes the null one.
            kept: tokens at the start and at the end of a prompt that stay in its null.
            own_null: the others are replaced by an embedding of the head's own, zero at first.
            null_id: otherwise the word of the backbone that replaces them.
            whole_text: whoever trains this head learns every word of the sequence.
            last_states: in training, later steps read the last states of the padded sequence.
        """
        super().__init__()
        self.table: Any = table
        self.grid = grid
        self.how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        self.drop_prompt, self.kept = drop_prompt, kept
        self.null_id = null_id
        self.whole_text, self.last_states = whole_text, last_states
        self.null = nn.Parameter(torch.zeros(width)) if own_null else None
        rows, columns = grid
        self.rows = nn.Parameter(torch.zeros(rows, width)) if two_axes else None
        self.columns = nn.Parameter(torch.zeros(columns, width)) if two_axes else None

    def loss(
        self,
        target: Tensor,
        condition: Tensor,
        mask: Tensor | None,
        generator: Generator,
        backbone: Any,
    ) -> Tensor:
        """Compute the mean cross-entropy of a picture's ids, each given all before it.

        Args:
            target: ids `b n`, row-major.
            condition: embeddings of the prompt `b s d`, padded on the left.
            mask: real tokens of the prompt, bool `b s`; None if all are.
            generator: says whose prompts are dropped.
            backbone: runs over prompt and picture.

        Returns:
            `b`, float32 or higher.
        """
        mask = _all(condition) if mask is None else mask
        drawn = uniform(len(condition), generator, like=at_least_float32(condition.detach()))
        dropped = (drawn < self.drop_prompt)[:, None, None]
        condition = torch.where(dropped, self.without_prompt(condition, mask, backbone), condition)
        embeds = torch.cat([condition, self.embed(target[:, :-1], backbone)], 1)
        seen = torch.cat([mask, mask.new_ones(target[:, :-1].shape)], 1)
        states = backbone(embeds, seen)[:, condition.shape[1] - 1 :]
        logits = at_least_float32(self.table.logits(states, backbone))
        wanted = target + self.table.place(target)
        return functional.cross_entropy(logits.mT, wanted, reduction="none").mean(1)

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        mask: Tensor | None,
        generators: Sequence[Generator],
        sampler: object = None,
        guidance: Guidance | None = None,
        backbone: Any = None,
        null: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Write pictures; sample i depends only on its own prompt and generator.

        Guidance combines logits; its time falls from 1 before the first id to 0. Its null branch
        runs beside the other in one batch, unless guidance never needs it.

        Args:
            condition: embeddings of the prompt `b s d`, padded on the left.
            mask: real tokens of the prompt, bool `b s`; None if all are.
            generators: one a sample; each gives one number an id.
            sampler: must be None.
            guidance: none by default.
            backbone: runs over prompt and picture.
            null: embeddings `b s d` and mask `b s` of negative prompts, which stand in the place of
                the null prompt; padded to the length of the condition.

        Returns:
            Ids `b n`, row-major.

        Raises:
            RequestError: if a sampler is given, which could not do anything; if there are no
                samples, or not as many generators, masks and negative prompts; if there are
                negative prompts, but no guidance that would use them; if there is guidance, but a
                prompt is its own null prompt, or it tells pictures from text.
        """
        if sampler is not None:
            raise RequestError(
                "ids are drawn one by one, so a sampler cannot act on them; leave the step's "
                "`sampler` out: temperature, top_k and top_p are settings of the head"
            )
        check_request(condition, mask, generators, null)
        count, length = self.grid[0] * self.grid[1], condition.shape[1]
        draws = [torch.rand(count, generator=each, device="cpu") for each in generators]
        drawn = torch.stack(draws).to(condition.device)
        mask = _all(condition) if mask is None else mask
        times = [1 - index / count for index in range(count)]
        guided = self._guided(guidance, times, condition, mask, backbone, null)
        embeds = condition
        if guided is not None:
            own, without = guided
            embeds, mask = torch.cat([condition, without[0]]), torch.cat([mask, without[1]])
        seen = torch.cat([mask, mask.new_ones(len(mask), count)], 1)
        cache, chosen = backbone.new_cache(), []
        for index, t in enumerate(times):
            states = backbone(embeds, seen[:, : length + index], cache)[:, -1]
            logits = at_least_float32(self.table.logits(states, backbone))
            if guided is not None:
                conditional, other = logits.chunk(2)
                logits = own.combine(conditional, other, t)
            picked = pick(logits, drawn[:, index], **self.how)  # type: ignore[arg-type]
            chosen.append(picked - self.table.place(picked))
            if index + 1 < count:
                embeds = self.embed(chosen[-1][:, None], backbone, first=index)
                embeds = torch.cat([embeds, embeds]) if guided is not None else embeds
        return torch.stack(chosen, 1)

    def _guided(
        self,
        guidance: Guidance | None,
        times: Sequence[float],
        condition: Tensor,
        mask: Tensor,
        backbone: Any,
        null: tuple[Tensor, Tensor] | None,
    ) -> tuple[Guidance, tuple[Tensor, Tensor]] | None:
        """Return what guides this call, and the null prompts; None where nothing does."""
        if getattr(guidance, "needs_partial", None) is not None:
            raise RequestError(
                f"{guidance} tells pictures from text, and this head goes on from a prompt as it "
                "is; take classifier-free or projected, or leave the step's `guidance` out"
            )
        active, without = guidance is not None and acts(guidance), null
        if active and without is None:
            without = self.without_prompt(condition, mask, backbone), mask
        nothing = 0.0 if without is None else without[0]
        refuse_guidance_without_effect(
            guidance, condition, self.drop_prompt, null, nothing=nothing, words=_WORDS
        )
        if guidance is None or without is None:
            return None
        if not any(guidance.needs_null(t) for t in times):
            warnings.warn(
                f"{guidance} did nothing: no id's time lies in its interval; widen `start` and "
                "`end`",
                stacklevel=3,
            )
            return None
        return for_one_call(guidance), without

    def embed(self, ids: Tensor, backbone: Any, first: int = 0) -> Tensor:
        """Embed ids `b k` that stand from place `first` of the picture on: -> `b k d`."""
        embeds = self.table.embed(ids, backbone)
        if self.rows is None or self.columns is None:
            return embeds
        places = torch.arange(first, first + ids.shape[1], device=ids.device)
        return embeds + self.rows[places // self.grid[1]] + self.columns[places % self.grid[1]]

    def without_prompt(self, condition: Tensor, mask: Tensor, backbone: Any = None) -> Tensor:
        """Replace a prompt's tokens by the null embedding, but for those that its null keeps."""
        counted, (first, last) = mask.long().cumsum(1), self.kept
        total = counted[:, -1:]
        stays = ~mask | (counted <= first) | (counted > total - last)
        null = self._null(condition, backbone).to(condition.dtype)
        return torch.where(stays[..., None], condition, null)

    def _null(self, like: Tensor, backbone: Any) -> Tensor:
        if self.null is not None:
            return self.null
        if self.null_id is None and not like.is_meta:
            raise ValueError(
                "the head does not know which word its null is made of: give `null_id`, or build "
                "it inside a model, whose tokenizer knows `null_token`"
            )
        return backbone.embed(torch.tensor([[self.null_id or 0]], device=like.device))[0, 0]


def _all(condition: Tensor) -> Tensor:
    return torch.ones(condition.shape[:2], dtype=torch.bool, device=condition.device)
