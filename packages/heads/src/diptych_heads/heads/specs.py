"""The specs of the generation heads: `flow-matching` and `regression`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, Slot, deviation, inferred, setting
from diptych_heads.heads.beside import (
    beside_clean,
    check_shares,
    denoising_ports,
    dropping_text,
    seen,
)
from diptych_heads.noise_schedules.specs import Linear, check_prediction
from diptych_heads.sizes import known
from diptych_heads.timesteps.specs import Uniform


if TYPE_CHECKING:
    from torch import nn

_CONDITION = Port("b q condition_width", "what the target is made from")
_TARGET = Port("b (height width) channels", "what the head makes")


@frozen
class FlowMatching(PartSpec):
    """Learns to carry noise to targets; they are made by a sampler, under guidance."""

    kind: ClassVar[str] = "head"
    takes_pictures: ClassVar[bool] = True
    network: Annotated[PartSpec, Slot("network")] = setting("the denoiser")
    noise_schedule: Annotated[PartSpec, Slot("noise_schedule")] = setting(
        "how target and noise are mixed at time t", default=Linear()
    )
    timesteps: Annotated[PartSpec, Slot("timesteps")] = setting(
        "how training draws t", default=Uniform()
    )
    prediction: Literal["velocity", "clean", "noise", "v"] = setting(
        "what the network predicts", default="velocity"
    )
    loss_on: Literal["prediction", "velocity"] = setting(
        "where the squared error is measured: the prediction, or the velocity that it implies",
        default="prediction",
    )
    drop_condition: float = setting(
        "share of training samples whose condition is zeroed, so that guidance has a null",
        default=0.1,
        check=[validators.ge(0), validators.le(1)],
    )
    drop_text: float = dropping_text()
    clean_latent: Literal["height", "width"] | None = beside_clean()
    narrow_state: bool | None = deviation(
        "keep the sampler's state in the network's type, as BLIP3-o does: in half precision it is "
        "rounded at every step"
    )
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")

    def __attrs_post_init__(self) -> None:
        """Refuse shares of more than all samples, and noise that a schedule does not reveal."""
        check_shares(self.drop_condition, self.drop_text)
        check_prediction(self.prediction, self.noise_schedule)

    @property
    def seen_height(self) -> int | None:
        """Rows that the network sees."""
        return seen(self, "height")

    @property
    def seen_width(self) -> int | None:
        """Columns that the network sees."""
        return seen(self, "width")

    def ports(self) -> Ports:
        """Pass condition and target on to the network."""
        return denoising_ports(self)

    def build(self) -> nn.Module:
        """Make the head and its network."""
        from diptych_heads.heads.flow_matching import FlowMatchingHead

        return FlowMatchingHead(
            self.network.build(),
            noise_schedule=self.noise_schedule.build(),
            timesteps=self.timesteps.build(),
            prediction=self.prediction,
            loss_on=self.loss_on,
            drop_condition=self.drop_condition,
            drop_text=self.drop_text,
            clean_latent=self.clean_latent,
            narrow_state=bool(self.narrow_state),
            target_shape=(known(self, "channels"), known(self, "height"), known(self, "width")),
        )


@frozen
class Regression(PartSpec):
    """Predicts the target at once with a squared error (the paper's CLIP + MSE)."""

    kind: ClassVar[str] = "head"
    readout: Literal["transformer", "linear"] = setting(
        "queries that read the condition, or one matrix from condition token i to target token i",
        default="transformer",
    )
    hidden_width: int = setting("width of the transformer", default=384, check=validators.ge(1))
    layers: int = setting("blocks of the transformer", default=2, check=validators.ge(1))
    heads: int = setting("attention heads of the transformer", default=6, check=validators.ge(1))
    mlp_ratio: float = setting(
        "inner over outer width of the MLPs", default=4.0, check=validators.gt(0)
    )
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")
    condition_width: int | None = inferred("width of the condition")

    def __attrs_post_init__(self) -> None:
        """Refuse widths that heads and positions cannot share."""
        if self.hidden_width % self.heads or self.hidden_width % 4:
            raise ValueError(
                f"hidden_width {self.hidden_width} must be a multiple of heads {self.heads} "
                "(equal heads) and of 4 (sine and cosine on two axes)"
            )

    def ports(self) -> Ports:
        """Take the condition and the target; the linear readout needs as many tokens of both."""
        condition = _CONDITION
        if self.readout == "linear":
            condition = Port("b (height width) condition_width", "one token a target token")
        return Ports(inputs={"condition": condition, "target": _TARGET})

    def build(self) -> nn.Module:
        """Make the head."""
        from diptych_heads.heads.regression import LinearReadout, RegressionHead, TransformerReadout

        sizes = {
            name: known(self, name) for name in ("condition_width", "channels", "height", "width")
        }
        if self.readout == "linear":
            return RegressionHead(LinearReadout(**sizes))
        return RegressionHead(
            TransformerReadout(
                **sizes,
                hidden_width=self.hidden_width,
                layers=self.layers,
                heads=self.heads,
                mlp_width=round(self.hidden_width * self.mlp_ratio),
            )
        )
