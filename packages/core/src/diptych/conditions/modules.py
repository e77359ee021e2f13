"""The modules of core's conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diptych.conditions.readout import Readout, read


class LatentQueriesModule(nn.Module):
    """Learned queries q [q d], placed after the prompt."""

    def __init__(self, count: int, width: int, init_std: float) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(count, width) * init_std)

    def query_embeds(self) -> Tensor:
        """Return what is put after the prompt, [q d]."""
        return self.queries

    def forward(self, readout: Readout) -> tuple[Tensor, Tensor]:
        """Read the states at the queries: -> condition [b q d], mask [b q] (all real)."""
        states = readout.query_states
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)


class PromptStatesModule(nn.Module):
    """Reads the prompt's own states."""

    def query_embeds(self) -> None:
        """Put nothing after the prompt."""
        return

    def forward(self, readout: Readout) -> tuple[Tensor, Tensor]:
        """Read the states of the prompt: -> condition [b p d], mask [b p]."""
        return readout.prompt_states


class StatesOfModule(nn.Module):
    """Reads the states of what an earlier step wrote."""

    reads_prompt = False

    def __init__(self, step: str, connector: nn.Module | None = None) -> None:
        super().__init__()
        self.step, self.connector = step, connector

    def query_embeds(self) -> None:
        """Put nothing after the prompt."""
        return

    def forward(self, readout: Readout) -> tuple[Tensor, Tensor]:
        """Read the states: -> condition [b 1+n d], mask [b 1+n] (all real)."""
        states = readout.steps[self.step]
        states = states if self.connector is None else self.connector(states)
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)


class ReferenceFeaturesModule(nn.Module):
    """Reads what a vision part makes of the pictures that prompts start from."""

    reads_prompt = False

    def __init__(self, part: str, width: int, connector: nn.Module | None = None) -> None:
        super().__init__()
        self.part, self.width, self.connector = part, width, connector

    def query_embeds(self) -> None:
        """Put nothing after the prompt."""
        return

    def forward(self, readout: Readout) -> tuple[Tensor, Tensor, Tensor]:
        """Read features or latents of the pictures, those of one prompt behind one another.

        -> condition [b (m n) d], real ones and those of pictures [b (m n)]: m is the most pictures of a prompt
        """
        if readout.shown is None:
            none = readout.mask[:, :0]
            return readout.states.new_zeros(*none.shape, self.width), none, none
        features = readout.shown.features(self.part)
        tokens = features if self.connector is None else self.connector(features)
        condition, mask = readout.shown.laid_out(tokens)
        return condition, mask, torch.ones_like(mask)


class ConcatModule(nn.Module):
    """Reads several conditions and joins them along their tokens."""

    def __init__(self, conditions: Sequence[Any]) -> None:
        super().__init__()
        self.of: Any = nn.ModuleList(conditions)
        self.reads_prompt = any(getattr(each, "reads_prompt", True) for each in conditions)

    def query_embeds(self) -> Tensor | None:
        """Return the queries of all parts in order, [q d]."""
        own = [each for part in self.of if (each := part.query_embeds()) is not None]
        return torch.cat(own) if own else None

    def forward(self, readout: Readout) -> tuple[Tensor, Tensor, Tensor]:
        """Read each part with its own share of the queries.

        -> condition [b q d], real ones [b q], those of pictures [b q]
        """
        conditions, masks, flags, start = [], [], [], readout.states.shape[1] - readout.queries
        end = start
        for part in self.of:
            own = part.query_embeds()
            count = 0 if own is None else own.shape[0]
            condition, mask, pictures = read(part, _window(readout, start, end, count))
            conditions.append(condition)
            masks.append(mask)
            flags.append(torch.zeros_like(mask) if pictures is None else pictures)
            end += count
        return torch.cat(conditions, 1), torch.cat(masks, 1), torch.cat(flags, 1)


def _window(readout: Readout, start: int, end: int, count: int) -> Readout:
    """Show one part the prompt and its own queries, as if the other parts' queries were not there."""
    states = torch.cat([readout.states[:, :start], readout.states[:, end : end + count]], 1)
    mask = torch.cat([readout.mask[:, :start], readout.mask[:, end : end + count]], 1)
    return readout._replace(states=states, mask=mask, queries=count)
