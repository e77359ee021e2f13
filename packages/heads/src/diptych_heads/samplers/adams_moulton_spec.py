"""The spec of `abm`, the default sampler."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.samplers.adams_moulton import AdamsMoultonSampler


_ENDS = 0.75


@frozen
class AdamsMoulton(PartSpec):
    """Third order by correcting each step when the next one asks: one network evaluation a step.

    Its times lie closer at both ends of the way, where the velocity of trained models bends most;
    `python -m diptych_heads.benchmarks.find_times CHECKPOINT` finds times that suit a model better.
    """

    kind: ClassVar[str] = "sampler"
    steps: int = setting("number of steps", default=10, check=validators.ge(1))
    shift: float = setting(
        "warps the times: more than 1 takes more of the steps at high noise",
        default=1.0,
        check=validators.gt(0),
    )
    ends: float = setting(
        "how much closer times lie at both ends: 0 evenly, 1 as the cosine of even angles",
        default=_ENDS,
        check=[validators.ge(0), validators.le(1)],
    )
    times: tuple[float, ...] = setting(
        "falling times between 1 and 0 to stop at, one fewer than `steps`, instead of `shift` and "
        "`ends`; none unless given",
        default=(),
    )

    def __attrs_post_init__(self) -> None:
        """Check that times fall, lie between the ends, are as many as steps need, and stand alone.

        Raises:
            ValueError: if they are not.
        """
        if not self.times:
            return
        if len(self.times) != self.steps - 1:
            raise ValueError(
                f"{len(self.times)} `times` between the ends make {len(self.times) + 1} steps, "
                f"not {self.steps}"
            )
        wrong = [after for before, after in pairwise((1.0, *self.times, 0.0)) if after >= before]
        if wrong:
            raise ValueError(f"`times` must fall from below 1 to above 0; {wrong[0]} does not")
        if (self.shift, self.ends) != (1.0, _ENDS):
            raise ValueError(
                "`times` say where to stop, so `shift` and `ends` do not: leave them out"
            )

    def build(self) -> AdamsMoultonSampler:
        """Make the sampler."""
        from diptych_heads.samplers.adams_moulton import AdamsMoultonSampler

        return AdamsMoultonSampler(self.steps, self.shift, self.ends, self.times)
