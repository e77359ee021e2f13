"""A text head: core has none of its own, so tests that answer questions bring the smallest one there is."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from attrs import evolve
from torch import Tensor, nn

from diptych.ports import Port, Ports
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart


class TiedText(nn.Module):
    """Scores words by the backbone's own output matrix."""

    def logits(self, states: Tensor, backbone: nn.Module) -> Tensor:
        return backbone.logits(states)

    def loss(self, states: Tensor, labels: Tensor, backbone: nn.Module) -> Tensor:
        return F.cross_entropy(backbone.logits(states), labels, reduction="none")


class Script(nn.Module):
    """Says fixed ids, one after the other, in every row; for tests of what happens with the answer."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__()
        self.ids, self.calls = list(ids), 0

    def logits(self, states: Tensor, backbone: nn.Module) -> Tensor:
        scores = torch.zeros_like(backbone.logits(states))
        scores[..., self.ids[min(self.calls, len(self.ids) - 1)]] = 1
        self.calls += 1
        return scores


def with_text(spec: ModelSpec, head: nn.Module | None = None) -> ModelSpec:
    """Give a spec a text head made in code."""
    ports = Ports(inputs={"states": Port("b s width"), "ids": Port("vocabulary")})
    return evolve(spec, text=InlinePart("head", head or TiedText(), ports))
