"""`mlp-norm`: the connector before a diffusion network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen, validators

from diptych.connectors.per_token import token_ports
from diptych.ports import Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from torch import nn


@frozen
class MlpNormConnector(PartSpec):
    """Linear, GELU (tanh), Linear, RMSNorm per token: features -> a network's condition (MetaQuery, BLIP3o-NEXT)."""

    kind: ClassVar[str] = "connector"
    hidden: int | None = setting("inner width; the outer one unless given", default=None)
    norm_scale: float = setting("what the norm's weights start at", default=1.0, check=validators.gt(0))
    norm_eps: float = setting("epsilon of the norm", default=1e-5, check=validators.gt(0))
    in_width: int | None = inferred("width of the features")
    out_width: int | None = inferred("width of the condition")

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return `sana`: the spread of the text states that SANA was trained with, sqrt(5.5)."""
        return {"sana": {"norm_scale": 5.5**0.5}}

    def ports(self) -> Ports:
        """Take features, give as many tokens."""
        return token_ports("n")

    def build(self) -> nn.Module:
        """Make the map: features [b n in_width] -> tokens [b n out_width]."""
        from torch import nn

        assert self.in_width and self.out_width
        hidden = self.hidden or self.out_width
        norm = nn.RMSNorm(self.out_width, eps=self.norm_eps)
        nn.init.constant_(norm.weight, self.norm_scale)
        return nn.Sequential(
            nn.Linear(self.in_width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, self.out_width), norm
        )
