"""DPM-Solver++ of second order with memory."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from diptych_heads.predictions import to_clean
from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler
from diptych_heads.time_shift import shift_time


_LATE = 0.999
"""Where diffusers' table of flow times starts, before its shift."""


@frozen
class DpmSolver2MSampler(SteppingSampler):
    """DPM-Solver++(2M): order 2 in the estimate of the clean target, one evaluation a step.

    Lu et al., arXiv 2211.01095, alg. 2: with lambda = log(alpha / sigma), the part of the flow that
    is linear in x is solved exactly and the estimate of the target is extrapolated linearly in
    lambda. At both ends of the way lambda is infinite; the steps beside them are of order 1, which
    is what the formula gives at the noise and what diffusers does at the target.

    Attributes:
        late_start: take diffusers' table of times, which starts just below pure noise.
        whole_times: tell the network times cut to whole thousandths, as diffusers does.
    """

    steps: int = 15
    shift: float = 1.0
    late_start: bool = False
    whole_times: bool = False

    def times(self) -> list[float]:
        """Return `steps + 1` falling times, the last of them 0."""
        if not self.late_start:
            return super().times()
        even = [_LATE * (1 - index / self.steps) for index in range(self.steps)]
        return [*(shift_time(t, self.shift) for t in even), 0.0]

    def stepper(self, flow: Flow) -> Step:
        """Return the step, which remembers the last estimate and the last step in lambda."""
        last: tuple[Tensor, Tensor] | None = None

        def step(x: Tensor, now: float, then: float) -> Tensor:
            nonlocal last
            here, there = flow.mixing(x, now), flow.mixing(x, then)
            told = int(now * 1000) / 1000 if self.whole_times else now
            clean = to_clean("velocity", flow.velocity(x, told), x, here)
            estimate = clean
            # exp(-h) for the step h in lambda: 0 where it is infinite, not less by rounding
            shrink = (here.alpha * there.sigma / (there.alpha * here.sigma)).clamp(min=0)
            length = -torch.log(shrink)
            if last is not None and then > 0:
                before, last_length = last
                estimate = clean + length / (2 * last_length) * (clean - before)
            last = clean, length
            return there.sigma / here.sigma * x + there.alpha * (1 - shrink) * estimate

        return step
