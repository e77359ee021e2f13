"""The spec of the simplest normaliser of targets: every channel to mean 0 and std 1. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_encoders.checks import known


if TYPE_CHECKING:
    from diptych_encoders.modules.channel_statistics import ChannelNormaliser


@frozen
class ChannelStatistics(PartSpec):
    """Each channel minus its mean, over its standard deviation; both fitted on data and saved with the model."""

    kind: ClassVar[str] = "normaliser"

    channels: int | None = inferred("channels of the target")
    floor: float = setting(
        "smallest std that a channel is divided by, as a fraction of the root mean square of all",
        default=1e-3,
        check=[validators.ge(0), validators.lt(1)],
    )

    def ports(self) -> Ports:
        """Say what flows in and out; the number of channels stays."""
        return Ports(
            inputs={"target": Port("b (height width) channels", "as the encoder gives it")},
            outputs={"normalised": Port("b (height width) channels", "mean 0, std 1")},
        )

    def build(self) -> ChannelNormaliser:
        """Make the module, not fitted yet."""
        from diptych_encoders.modules.channel_statistics import ChannelNormaliser

        return ChannelNormaliser(known(self.channels, "channels"), floor=self.floor)
