"""The specs of the samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, deviation, setting


if TYPE_CHECKING:
    from diptych_heads.samplers.adams_bashforth import AdamsBashforth2Sampler
    from diptych_heads.samplers.ddim import DdimSampler
    from diptych_heads.samplers.dpm_solver import DpmSolver2MSampler
    from diptych_heads.samplers.euler import EulerSampler
    from diptych_heads.samplers.heun import HeunSampler
    from diptych_heads.samplers.midpoint import MidpointSampler


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


@frozen
class Midpoint(PartSpec):
    """Second order, two network evaluations a step."""

    kind: ClassVar[str] = "sampler"
    steps: int = _steps(15)
    shift: float = _shift()

    def build(self) -> MidpointSampler:
        """Make the sampler."""
        from diptych_heads.samplers.midpoint import MidpointSampler

        return MidpointSampler(self.steps, self.shift)


@frozen
class DpmSolver2M(PartSpec):
    """Second order along the noise schedule, from the last two estimates of the target."""

    kind: ClassVar[str] = "sampler"
    steps: int = _steps(15)
    shift: float = _shift()
    late_start: bool | None = deviation(
        "start at 999/1000 of the way, before the shift, as diffusers' table of flow times does: "
        "the first step then takes pure noise for a little less than that"
    )
    whole_times: bool | None = deviation(
        "tell the network times cut to whole thousandths, as diffusers does, while stepping by the "
        "exact ones"
    )

    def build(self) -> DpmSolver2MSampler:
        """Make the sampler."""
        from diptych_heads.samplers.dpm_solver import DpmSolver2MSampler

        switches = bool(self.late_start), bool(self.whole_times)
        return DpmSolver2MSampler(self.steps, self.shift, *switches)


@frozen
class Ddim(PartSpec):
    """First order along the noise schedule; with eta above 0 it draws new noise on the way."""

    kind: ClassVar[str] = "sampler"
    steps: int = _steps(50)
    shift: float = _shift()
    eta: float = setting(
        "share of new noise: 0 for none, 1 for DDPM's ancestral sampling",
        default=0.0,
        check=[validators.ge(0), validators.le(1)],
    )

    def build(self) -> DdimSampler:
        """Make the sampler."""
        from diptych_heads.samplers.ddim import DdimSampler

        return DdimSampler(self.steps, self.shift, self.eta)
