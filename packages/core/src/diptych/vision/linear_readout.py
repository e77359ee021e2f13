"""`linear-readout`: the simplest generation head."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred


if TYPE_CHECKING:
    from diptych.vision.linear_readout_module import LinearReadoutHead


@frozen
class LinearReadout(PartSpec):
    """One linear map from condition tokens to target tokens, trained by MSE; as many queries as target tokens."""

    kind: ClassVar[str] = "head"
    condition_width: int | None = inferred("width of the condition")
    channels: int | None = inferred("channels of the target")

    def ports(self) -> Ports:
        """Take a condition, make as many target tokens."""
        return Ports(
            inputs={"condition": Port("b tokens condition_width"), "target": Port("b tokens channels")},
        )

    def build(self) -> LinearReadoutHead:
        """Make the map."""
        from diptych.vision.linear_readout_module import LinearReadoutHead

        assert self.condition_width and self.channels
        return LinearReadoutHead(self.condition_width, self.channels)
