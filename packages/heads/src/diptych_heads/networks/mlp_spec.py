"""The spec of the network `mlp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_heads.networks.frame import PORTS, Frame


if TYPE_CHECKING:
    from torch import nn


@frozen
class Mlp(PartSpec):
    """A residual MLP that denoises each token on its own, as MAR does."""

    kind: ClassVar[str] = "network"
    hidden_width: int = setting("width of the blocks", default=1024, check=validators.ge(1))
    layers: int = setting("number of blocks", default=3, check=validators.ge(1))
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")
    condition_width: int | None = inferred("width of the condition")

    def ports(self) -> Ports:
        """Take the noisy target, and a condition token for each of its tokens."""
        condition = Port("b (height width) condition_width", "one token a target token")
        return Ports(inputs={**PORTS.inputs, "condition": condition})

    def build(self) -> nn.Module:
        """Make the network with fresh weights."""
        from diptych_heads.networks.mlp import MlpNetwork

        return MlpNetwork(Frame.of(self), hidden_width=self.hidden_width, layers=self.layers)
