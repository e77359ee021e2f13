"""What sampling keeps: its peak does not grow with the number of steps."""

import pytest
import torch
from head_cases.held_bytes import HeldBytes
from head_cases.small import CONDITION, GRID, NETWORKS, normal, shaken

from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree, Projected
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton
from diptych_heads.samplers.euler import EulerSampler
from diptych_heads.samplers.specs import AdamsBashforth2, Ddim, DpmSolver2M, Euler, Heun, Midpoint


@pytest.fixture(scope="module")
def head():
    return shaken(FlowMatching(network=NETWORKS["lumina-next"], **GRID).build())


def peak(head, sampler, guidance) -> int:
    condition = normal(2, 5, CONDITION)
    with HeldBytes() as counted:
        head.sample(condition, None, generators([1, 2]), sampler, guidance)
    return counted.peak


@pytest.mark.parametrize("guidance", [ClassifierFree(2.0), Projected(2.0, momentum=-0.5)])
@pytest.mark.parametrize(
    "sampler", [Euler, Heun, Midpoint, AdamsBashforth2, AdamsMoulton, DpmSolver2M, Ddim]
)
def test_peak_does_not_grow_with_steps(head, sampler, guidance):
    few, many = (peak(head, sampler(steps).build(), guidance.build()) for steps in (4, 9))
    assert few > 10_000
    assert many == few


def test_what_keeps_every_state_is_seen(head):
    class Keeping(EulerSampler):
        def sample(self, velocity, noise, callback=None):
            kept = []
            out = super().sample(velocity, noise, lambda *each: kept.append(each[2]))
            return out + 0 * torch.stack(kept).sum()

    few, many = (peak(head, Keeping(steps), None) for steps in (4, 9))
    assert many > few
