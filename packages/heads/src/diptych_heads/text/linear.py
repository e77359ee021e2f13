"""The text head with an output matrix of its own."""

from __future__ import annotations

from torch import Tensor, nn

from diptych_heads.text.next_token import HasLogits, NextTokenHead


class LinearTextHead(NextTokenHead):
    """Words from a matrix of its own, so that the backbone's can stay frozen or be absent."""

    def __init__(
        self,
        width: int,
        vocabulary: int,
        bias: bool = False,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
    ) -> None:
        """Make the matrix; fresh logits have a variance of about 1 for normalised states."""
        super().__init__(label_smoothing, z_loss)
        self.output = nn.Linear(width, vocabulary, bias=bias)
        nn.init.normal_(self.output.weight, std=width**-0.5)
        if bias:
            nn.init.zeros_(self.output.bias)

    def logits(self, states: Tensor, backbone: HasLogits | None = None) -> Tensor:
        """Map states `... d` to logits `... v`; the backbone is not used."""
        return self.output(states)
