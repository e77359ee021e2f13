"""Euler's method over the places of a noise table, as diffusers' EulerDiscreteScheduler."""

from __future__ import annotations

from typing import Literal

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.ddim import DdimSampler
from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler
from diptych_heads.samplers.times import Callback, Velocity


Spacing = Literal["leading", "trailing", "linspace"]


@frozen
class EulerDiscreteSampler(SteppingSampler):
    """Follow dx/ds in straight lines, x the state over alpha and s sigma over alpha; order 1.

    Karras et al., arXiv 2206.00364, alg. 2 without churn. Along a table of noise levels this is
    DDIM without new noise (arXiv 2010.02502, eq. 14); what differs from `ddim` is where it stops.
    Place k of the table, counted from 0, is t = (k + 1) / table. With `leading`, the state starts
    as noise of variance 1 although a little target should be left there, as diffusers has it; with
    the others as noise of the schedule's own level. Of `linspace` with one step diffusers takes
    the table's first place, with the least noise; here a walk starts at the last one, from noise.
    """

    steps: int = 50
    spacing: Spacing = "leading"
    offset: int = 1
    table: int = 1000

    def times(self) -> list[float]:
        """Return `steps + 1` falling times, the last of them 0."""
        return [*((place + 1) / self.table for place in self.places()), 0.0]

    def places(self) -> list[float]:
        """Return the places of the table at which the network is asked, falling."""
        steps, last = self.steps, self.table - 1
        if self.spacing == "leading":
            return [index * (self.table // steps) + self.offset for index in reversed(range(steps))]
        if self.spacing == "trailing":
            return [round(self.table - index * self.table / steps) - 1 for index in range(steps)]
        return [last - last * index / max(1, steps - 1) for index in range(steps)]

    def stepper(self, flow: Flow) -> Step:
        """Return x -> alpha clean + sigma noise, by the estimates of both at x."""
        return DdimSampler().stepper(flow)

    def sample(self, velocity: Velocity, noise: Tensor, callback: Callback | None = None) -> Tensor:
        """Integrate from `noise`; see the base class."""
        flow = Flow.of(velocity)
        if self.spacing != "leading":
            noise = noise * flow.mixing(noise, self.times()[0]).sigma.to(noise.dtype)
        return super().sample(flow, noise, callback)
