"""The specs of the text heads: `next-token` and `linear`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_heads.sizes import known


if TYPE_CHECKING:
    from torch import nn

_SMOOTHING = "share of the probability spread over all words"
_Z_LOSS = "weight of log(sum(exp(logits)))^2, which keeps logits from drifting"
_PORTS = Ports(
    inputs={
        "states": Port("b s width", "the backbone's final states"),
        "ids": Port("vocabulary", "the words"),
    }
)


@frozen
class NextToken(PartSpec):
    """Cross-entropy of the next word under the backbone's own output matrix."""

    kind: ClassVar[str] = "head"
    label_smoothing: float = setting(
        _SMOOTHING, default=0.0, check=[validators.ge(0), validators.lt(1)]
    )
    z_loss: float = setting(_Z_LOSS, default=0.0, check=validators.ge(0))

    def ports(self) -> Ports:
        """Read states, predict ids."""
        return _PORTS

    def build(self) -> nn.Module:
        """Make the head; it has no weights."""
        from diptych_heads.text.next_token import NextTokenHead

        return NextTokenHead(self.label_smoothing, self.z_loss)


@frozen
class LinearText(PartSpec):
    """Cross-entropy of the next word under an output matrix of its own."""

    kind: ClassVar[str] = "head"
    label_smoothing: float = setting(
        _SMOOTHING, default=0.0, check=[validators.ge(0), validators.lt(1)]
    )
    z_loss: float = setting(_Z_LOSS, default=0.0, check=validators.ge(0))
    bias: bool = setting("add a bias a word", default=False)
    width: int | None = inferred("width of the backbone")
    vocabulary: int | None = inferred("number of words")

    def ports(self) -> Ports:
        """Read states, predict ids."""
        return _PORTS

    def build(self) -> nn.Module:
        """Make the head with a fresh matrix."""
        from diptych_heads.text.linear import LinearTextHead

        width, vocabulary = known(self, "width"), known(self, "vocabulary")
        return LinearTextHead(width, vocabulary, self.bias, self.label_smoothing, self.z_loss)
