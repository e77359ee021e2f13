"""The specs of the samplers: `euler`, `heun` and `ab2`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.samplers.adams_bashforth import AdamsBashforth2Sampler
    from diptych_heads.samplers.euler import EulerSampler
    from diptych_heads.samplers.heun import HeunSampler


def _steps(default: int) -> int:
    return setting("number of steps", default=default, check=validators.ge(1))


def _shift() -> float:
    doc = "warps the times: more than 1 takes more of the steps at high noise"
    return setting(doc, default=1.0, check=validators.gt(0))


@frozen
class Euler(PartSpec):
    """First order, one network evaluation a step; what BLIP3-o uses."""

    kind: ClassVar[str] = "sampler"
    steps: int = _steps(30)
    shift: float = _shift()

    def build(self) -> EulerSampler:
        """Make the sampler."""
        from diptych_heads.samplers.euler import EulerSampler

        return EulerSampler(self.steps, self.shift)


@frozen
class Heun(PartSpec):
    """Second order, two network evaluations a step, one in the last."""

    kind: ClassVar[str] = "sampler"
    steps: int = _steps(15)
    shift: float = _shift()

    def build(self) -> HeunSampler:
        """Make the sampler."""
        from diptych_heads.samplers.heun import HeunSampler

        return HeunSampler(self.steps, self.shift)


@frozen
class AdamsBashforth2(PartSpec):
    """Second order from the last two velocities: one network evaluation a step."""

    kind: ClassVar[str] = "sampler"
    steps: int = _steps(15)
    shift: float = _shift()

    def build(self) -> AdamsBashforth2Sampler:
        """Make the sampler."""
        from diptych_heads.samplers.adams_bashforth import AdamsBashforth2Sampler

        return AdamsBashforth2Sampler(self.steps, self.shift)
