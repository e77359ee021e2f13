"""The specs of the timestep drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, Slot, setting


if TYPE_CHECKING:
    from diptych_heads.timesteps.logit_normal import LogitNormalTimesteps
    from diptych_heads.timesteps.mode import ModeTimesteps
    from diptych_heads.timesteps.reference_integer import ReferenceIntegerTimesteps
    from diptych_heads.timesteps.token_shift import TokenShiftTimesteps
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


@frozen
class Mode(PartSpec):
    """Draw t around the middle, without starving the ends (Stable Diffusion 3)."""

    kind: ClassVar[str] = "timesteps"
    weight: float = setting(
        "above 0 for more of the middle, below 0 for less; from -1 to 1.75",
        default=1.29,
        check=[validators.ge(-1), validators.le(1.75)],
    )
    shift: float = setting(_SHIFT, default=1.0, check=validators.gt(0))

    def build(self) -> ModeTimesteps:
        """Make the drawing."""
        from diptych_heads.timesteps.mode import ModeTimesteps

        return ModeTimesteps(self.weight, self.shift)


@frozen
class ReferenceInteger(PartSpec):
    """Draw whole thousandths evenly, as BLIP3-o does."""

    kind: ClassVar[str] = "timesteps"
    steps: int = setting("how many different times there are", default=1000, check=validators.ge(1))

    def build(self) -> ReferenceIntegerTimesteps:
        """Make the drawing."""
        from diptych_heads.timesteps.reference_integer import ReferenceIntegerTimesteps

        return ReferenceIntegerTimesteps(self.steps)


@frozen
class TokenShift(PartSpec):
    """Shift another drawing by the number of tokens: more tokens need more noise."""

    kind: ClassVar[str] = "timesteps"
    tokens: int = setting("tokens of the target", check=validators.ge(1))
    base_tokens: int = setting(
        "tokens for which times stay as drawn", default=64, check=validators.ge(1)
    )
    timesteps: Annotated[PartSpec, Slot("timesteps")] = setting(
        "the drawing that is shifted", default=Uniform()
    )

    def build(self) -> TokenShiftTimesteps:
        """Make the drawing."""
        from diptych_heads.timesteps.token_shift import TokenShiftTimesteps

        inner: Any = self.timesteps.build()
        return TokenShiftTimesteps(inner, self.tokens, self.base_tokens)
