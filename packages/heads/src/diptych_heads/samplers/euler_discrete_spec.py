"""The spec of `euler-discrete`: Euler's method over the places of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.samplers.euler_discrete import EulerDiscreteSampler


@frozen
class EulerDiscrete(PartSpec):
    """First order over the places of a noise table, as SDXL is sampled (EulerDiscreteScheduler)."""

    kind: ClassVar[str] = "sampler"
    steps: int = setting("number of steps", default=50, check=validators.ge(1))
    spacing: Literal["leading", "trailing", "linspace"] = setting(
        "which places are visited, in diffusers' words: every (table // steps)-th from below; "
        "every (table / steps)-th from above; evenly, both ends included",
        default="leading",
    )
    offset: int = setting("added to the places of `leading`", default=1, check=validators.ge(0))
    table: int = setting(
        "places of the noise schedule's table, which times are counted in",
        default=1000,
        check=validators.ge(1),
    )

    def __attrs_post_init__(self) -> None:
        """Refuse steps that a table has no places for."""
        table = self.table
        if self.steps > table:
            raise ValueError(f"a table of {table} places has no {self.steps} steps")
        if (
            self.spacing == "leading"
            and (self.steps - 1) * (table // self.steps) >= table - self.offset
        ):
            raise ValueError(f"offset {self.offset} leads beyond a table of {table} places")

    def build(self) -> EulerDiscreteSampler:
        """Make the sampler."""
        from diptych_heads.samplers.euler_discrete import EulerDiscreteSampler

        return EulerDiscreteSampler(self.steps, self.spacing, self.offset, self.table)
