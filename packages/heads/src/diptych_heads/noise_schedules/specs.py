"""The specs of the noise schedules: `linear` and `cosine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.noise_schedules.cosine import CosineSchedule
    from diptych_heads.noise_schedules.linear import LinearSchedule


@frozen
class Linear(PartSpec):
    """A straight line from target to noise (rectified flow); a shift spends more time at noise."""

    kind: ClassVar[str] = "noise_schedule"
    shift: float = setting(
        "sigma = shift t / (1 + (shift - 1) t); 1 for none, more than 1 for more noise at a time",
        default=1.0,
        check=validators.gt(0),
    )

    def build(self) -> LinearSchedule:
        """Make the functions of t."""
        from diptych_heads.noise_schedules.linear import LinearSchedule

        return LinearSchedule(self.shift)


@frozen
class Cosine(PartSpec):
    """A quarter circle from target to noise: constant variance for targets of variance 1."""

    kind: ClassVar[str] = "noise_schedule"

    def build(self) -> CosineSchedule:
        """Make the functions of t."""
        from diptych_heads.noise_schedules.cosine import CosineSchedule

        return CosineSchedule()
