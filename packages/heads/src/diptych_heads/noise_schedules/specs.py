"""The specs of the noise schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.noise_schedules.betas import BetaSchedule
    from diptych_heads.noise_schedules.cosine import CosineSchedule
    from diptych_heads.noise_schedules.linear import LinearSchedule


@frozen
class Linear(PartSpec):
    """A straight line from target to noise (rectified flow); a shift spends more time at noise."""

    kind: ClassVar[str] = "noise_schedule"
    zero_terminal: ClassVar[bool] = True
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
    zero_terminal: ClassVar[bool] = True

    def build(self) -> CosineSchedule:
        """Make the functions of t."""
        from diptych_heads.noise_schedules.cosine import CosineSchedule

        return CosineSchedule()


def check_prediction(prediction: str, noise_schedule: PartSpec) -> None:
    """Refuse to predict the noise where t = 1 is nothing but noise.

    There the network's input is its answer, and nothing says what the target is: sampling, which
    starts there, would magnify its error without a bound (Lin et al., arXiv 2305.08891, sec. 3.2).

    Raises:
        ValueError: saying what to take instead.
    """
    if prediction == "noise" and getattr(noise_schedule, "zero_terminal", False):
        raise ValueError(
            "prediction noise says nothing about the target at t = 1, where this noise_schedule "
            "leaves none of it; take the prediction v, or a table that ends at a little target: "
            "scaled-linear or ddpm-linear with zero_terminal: false"
        )


def _beta(which: str, default: float) -> float:
    doc = f"{which} of the variances that the steps add"
    return setting(doc, default=default, check=[validators.gt(0), validators.lt(1)])


def _steps() -> int:
    return setting("steps of the table", default=1000, check=validators.ge(3))


def _zero_terminal() -> bool:
    return setting(
        "stretch the table so that t = 1 is pure noise; false for the published one", default=True
    )


@frozen
class DdpmLinear(PartSpec):
    """DDPM's table, whose betas rise evenly."""

    kind: ClassVar[str] = "noise_schedule"
    beta_start: float = _beta("first", 1e-4)
    beta_end: float = _beta("last", 0.02)
    steps: int = _steps()
    zero_terminal: bool = _zero_terminal()

    def build(self) -> BetaSchedule:
        """Make the functions of t."""
        from diptych_heads.noise_schedules.betas import BetaSchedule

        zero = self.zero_terminal
        return BetaSchedule.between(
            "linear", self.beta_start, self.beta_end, self.steps, zero_terminal=zero
        )


@frozen
class ScaledLinear(PartSpec):
    """Stable Diffusion's table, the roots of whose betas rise evenly."""

    kind: ClassVar[str] = "noise_schedule"
    beta_start: float = _beta("first", 8.5e-4)
    beta_end: float = _beta("last", 0.012)
    steps: int = _steps()
    zero_terminal: bool = _zero_terminal()

    def build(self) -> BetaSchedule:
        """Make the functions of t."""
        from diptych_heads.noise_schedules.betas import BetaSchedule

        zero = self.zero_terminal
        return BetaSchedule.between(
            "square", self.beta_start, self.beta_end, self.steps, zero_terminal=zero
        )
