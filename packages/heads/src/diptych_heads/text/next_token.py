"""The text head that uses the backbone's own output matrix."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from diptych_heads.text.cross_entropy import IGNORED, cross_entropy


class HasLogits(Protocol):
    """A backbone, as far as text heads care."""

    def logits(self, states: Tensor) -> Tensor:
        """Map states `... d` to logits `... v`."""
        ...


class NextTokenHead(nn.Module):
    """Words from the backbone's own logits; without weights of its own."""

    def __init__(self, label_smoothing: float = 0.0, z_loss: float = 0.0) -> None:
        """Set the terms of the loss."""
        super().__init__()
        self.label_smoothing = label_smoothing
        self.z_loss = z_loss

    def logits(self, states: Tensor, backbone: HasLogits) -> Tensor:
        """Map states `... d` to logits `... v`."""
        return backbone.logits(states)

    def loss(self, states: Tensor, labels: Tensor, backbone: HasLogits) -> Tensor:
        """Compute the cross-entropy of each position; logits only where there is a label.

        Args:
            states: `n d`, each the state from which its label is predicted.
            labels: ids `n`; -100 where there is nothing to predict.
            backbone: gives the logits.

        Returns:
            `n`, float32 or higher, 0 at ignored positions.
        """
        wanted = labels != IGNORED
        logits = self.logits(states[wanted], backbone)
        found = cross_entropy(
            logits, labels[wanted], label_smoothing=self.label_smoothing, z_loss=self.z_loss
        )
        return found.new_zeros(len(labels)).masked_scatter(wanted, found)
