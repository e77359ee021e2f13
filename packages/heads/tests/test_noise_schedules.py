import pytest
import torch
from head_cases.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from diptych_heads.noise_schedules.specs import Cosine, Linear


shifts = st.floats(0.2, 8.0)
times = st.floats(0.001, 0.999)


def schedules(shift: float):
    return [Linear(shift=shift).build(), Cosine().build()]


@examples
@given(shift=shifts, t=times)
def test_derivatives_are_those_of_the_functions(shift, t):
    t, h = torch.tensor(t, dtype=torch.float64), 1e-6
    for schedule in schedules(shift):
        for name in ("alpha", "sigma"):
            function = getattr(schedule, name)
            slope = (function(t + h) - function(t - h)) / (2 * h)
            derivative = getattr(schedule, f"d_{name}")(t)
            torch.testing.assert_close(derivative, slope, atol=1e-7, rtol=1e-6)


@examples
@given(shift=shifts)
def test_from_target_to_noise(shift):
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    for schedule in schedules(shift):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        ends = torch.stack([alpha[0], sigma[0], sigma[-1], alpha[-1]])
        torch.testing.assert_close(ends, torch.tensor([1.0, 0, 1, 0]).double(), atol=1e-15, rtol=0)
        assert (alpha.diff() < 0).all()
        assert (sigma.diff() > 0).all()


def test_cosine_keeps_the_variance():
    t = torch.linspace(0, 1, 11)
    cosine = Cosine().build()
    torch.testing.assert_close(cosine.alpha(t) ** 2 + cosine.sigma(t) ** 2, torch.ones(11))


@pytest.mark.parametrize("shift", [0.0, -1.0])
def test_shifts_that_are_none(shift):
    with pytest.raises(ValueError, match="shift"):
        Linear(shift=shift)
