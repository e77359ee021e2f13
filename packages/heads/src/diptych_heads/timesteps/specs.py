"""The specs of the timestep drawings: `uniform` and `logit-normal`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.timesteps.logit_normal import LogitNormalTimesteps
    from diptych_heads.timesteps.uniform import UniformTimesteps

_SHIFT = "t becomes shift t / (1 + (shift - 1) t); 1 for none, more than 1 for noisier training"


@frozen
class Uniform(PartSpec):
    """Draw t evenly."""

    kind: ClassVar[str] = "timesteps"
    shift: float = setting(_SHIFT, default=1.0, check=validators.gt(0))

    def build(self) -> UniformTimesteps:
        """Make the drawing."""
        from diptych_heads.timesteps.uniform import UniformTimesteps

        return UniformTimesteps(self.shift)


@frozen
class LogitNormal(PartSpec):
    """Draw t as the sigmoid of a normal number: mostly the middle (Stable Diffusion 3)."""

    kind: ClassVar[str] = "timesteps"
    mean: float = setting("mean before the sigmoid; above 0 for noisier training", default=0.0)
    std: float = setting(
        "standard deviation before the sigmoid", default=1.0, check=validators.gt(0)
    )
    shift: float = setting(_SHIFT, default=1.0, check=validators.gt(0))

    def build(self) -> LogitNormalTimesteps:
        """Make the drawing."""
        from diptych_heads.timesteps.logit_normal import LogitNormalTimesteps

        return LogitNormalTimesteps(self.mean, self.std, self.shift)
