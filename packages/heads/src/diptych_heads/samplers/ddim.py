"""DDIM, from deterministic to ancestral."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler


@frozen
class DdimSampler(SteppingSampler):
    """Go to the estimated target and come back with less noise, a share of it new; order 1.

    Song et al., arXiv 2010.02502, eqs. 12 and 16, for any alpha and sigma: with r = alpha_now
    sigma_then / (alpha_then sigma_now), the new noise has the standard deviation eta sigma_then
    sqrt(1 - r^2). With eta 0 nothing is random, and on a linear schedule this is Euler's method;
    eta 1 is DDPM's ancestral sampling.
    """

    steps: int = 50
    shift: float = 1.0
    eta: float = 0.0

    def stepper(self, flow: Flow) -> Step:
        """Return x -> alpha clean + sqrt(sigma^2 - s^2) noise + s new noise."""

        def step(x: Tensor, now: float, then: float) -> Tensor:
            here, there = flow.mixing(x, now), flow.mixing(x, then)
            clean, noise = flow.ends(x, now)
            kept = there.alpha * clean
            if not self.eta or then == 0:
                return kept + there.sigma * noise
            ratio = here.alpha * there.sigma / (there.alpha * here.sigma)
            fresh = self.eta * there.sigma * (1 - ratio.square()).sqrt()
            left = (there.sigma.square() - fresh.square()).clamp(min=0).sqrt()
            return kept + left * noise + fresh * flow.new_noise("ddim with eta above 0")

        return step
