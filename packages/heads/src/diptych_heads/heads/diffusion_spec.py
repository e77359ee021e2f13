"""The spec of the head `diffusion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from attrs import frozen, validators

from diptych.ports import Ports
from diptych.spec.part import PartSpec, Slot, inferred, setting
from diptych_heads.heads.beside import (
    beside_clean,
    check_shares,
    denoising_ports,
    dropping_text,
    seen,
)
from diptych_heads.noise_schedules.specs import Cosine, check_prediction
from diptych_heads.sizes import known
from diptych_heads.timesteps.specs import Uniform


if TYPE_CHECKING:
    from torch import nn


@frozen
class Diffusion(PartSpec):
    """Learns to take noise off targets, with v, noise or clean prediction and min-SNR weights."""

    kind: ClassVar[str] = "head"
    takes_pictures: ClassVar[bool] = True
    network: Annotated[PartSpec, Slot("network")] = setting("the denoiser")
    noise_schedule: Annotated[PartSpec, Slot("noise_schedule")] = setting(
        "how target and noise are mixed at time t", default=Cosine()
    )
    timesteps: Annotated[PartSpec, Slot("timesteps")] = setting(
        "how training draws t", default=Uniform()
    )
    prediction: Literal["v", "noise", "clean"] = setting("what the network predicts", default="v")
    snr_limit: float | None = setting(
        "weigh errors by signal over noise, up to this (min-SNR-gamma); null for all alike",
        default=5.0,
        check=validators.optional(validators.gt(0)),
    )
    drop_condition: float = setting(
        "share of training samples whose condition is zeroed, so that guidance has a null",
        default=0.1,
        check=[validators.ge(0), validators.le(1)],
    )
    drop_text: float = dropping_text()
    clean_latent: Literal["height", "width"] | None = beside_clean()
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
        from diptych_heads.heads.diffusion import DiffusionHead

        return DiffusionHead(
            self.network.build(),
            noise_schedule=self.noise_schedule.build(),
            timesteps=self.timesteps.build(),
            prediction=self.prediction,
            snr_limit=self.snr_limit,
            drop_condition=self.drop_condition,
            drop_text=self.drop_text,
            clean_latent=self.clean_latent,
            target_shape=(known(self, "channels"), known(self, "height"), known(self, "width")),
        )
