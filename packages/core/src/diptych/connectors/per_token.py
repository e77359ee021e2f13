"""`linear` and `mlp`: per-token connectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from torch import nn


def token_ports(tokens: str) -> Ports:
    """Return the ports of a connector that gives as many tokens as it takes; `tokens` names that axis."""
    return Ports(
        inputs={"features": Port(f"b {tokens} in_width", "features of an encoder")},
        outputs={"tokens": Port(f"b {tokens} out_width", "the same tokens in the backbone's width")},
    )


@frozen
class LinearConnector(PartSpec):
    """One linear map per token."""

    kind: ClassVar[str] = "connector"
    in_width: int | None = inferred("width of the features")
    out_width: int | None = inferred("width of the backbone")

    def ports(self) -> Ports:
        """Take features, give as many tokens."""
        return token_ports("n")

    def build(self) -> nn.Module:
        """Make the map: features [b n in_width] -> tokens [b n out_width]."""
        from torch import nn

        assert self.in_width and self.out_width
        return nn.Linear(self.in_width, self.out_width)


@frozen
class MlpConnector(PartSpec):
    """Linear, GELU, Linear per token, as in LLaVA-1.5 (arXiv 2310.03744); positions on request."""

    kind: ClassVar[str] = "connector"
    hidden: int | None = setting("inner width; the backbone's unless given", default=None)
    positions: bool = setting("add a learned position to every token", default=False)
    tokens: int | None = inferred("number of features")
    in_width: int | None = inferred("width of the features")
    out_width: int | None = inferred("width of the backbone")

    def ports(self) -> Ports:
        """Take features, give as many tokens."""
        return token_ports("tokens")

    def build(self) -> nn.Module:
        """Make the map: features [b n in_width] -> tokens [b n out_width]."""
        from torch import nn

        assert self.in_width and self.out_width and self.tokens
        hidden = self.hidden or self.out_width
        layers = [nn.Linear(self.in_width, hidden), nn.GELU(), nn.Linear(hidden, self.out_width)]
        if self.positions:
            from diptych.connectors.learned_positions import LearnedPositions

            layers.append(LearnedPositions(self.tokens, self.out_width))
        return nn.Sequential(*layers)
