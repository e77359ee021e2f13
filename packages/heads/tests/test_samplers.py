import math

import pytest
import torch
from head_cases.small import normal

from diptych_heads.samplers.specs import (
    AdamsBashforth2,
    Ddim,
    DpmSolver2M,
    Euler,
    Heun,
    Midpoint,
)
from diptych_heads.samplers.times import sampling_times


SAMPLERS = {
    "euler": (Euler, 1),
    "heun": (Heun, 2),
    "ab2": (AdamsBashforth2, 2),
    "midpoint": (Midpoint, 2),
    "dpm++2m": (DpmSolver2M, 2),
    "ddim": (Ddim, 1),
}
START = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)


def growth(x, t):
    """dx/dt = x cos(3 t) + t, solved below by quadrature of its integrating factor."""
    return x * math.cos(3 * t) + t


def exact():
    """x(0) of `growth` from x(1) = START, by Runge-Kutta with tiny steps."""
    x, n = START, 4000
    for i in range(n):
        t, h = 1 - i / n, -1 / n
        a = growth(x, t)
        b = growth(x + h / 2 * a, t + h / 2)
        c = growth(x + h / 2 * b, t + h / 2)
        d = growth(x + h * c, t + h)
        x = x + h / 6 * (a + 2 * b + 2 * c + d)
    return x


@pytest.mark.parametrize("shift", [1.0, 2.5])
@pytest.mark.parametrize("name", SAMPLERS)
def test_order_of_convergence(name, shift):
    spec, order = SAMPLERS[name]
    truth, counts, errors = exact(), (32, 64, 128, 256), []
    for steps in counts:
        found = spec(steps=steps, shift=shift).build().sample(growth, START)
        errors.append((found - truth).norm().item())
    slope = (math.log(errors[0]) - math.log(errors[-1])) / math.log(counts[-1] / counts[0])
    assert slope == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_straight_line_takes_one_step(name):
    clean, noise = normal(2, 5).double(), normal(2, 5, seed=1).double()
    found = SAMPLERS[name][0](steps=1).build().sample(lambda *_: noise - clean, noise)
    torch.testing.assert_close(found, clean)


@pytest.mark.parametrize(
    ("name", "calls"),
    [("euler", 7), ("heun", 13), ("ab2", 7), ("midpoint", 14), ("dpm++2m", 7), ("ddim", 7)],
)
def test_evaluations_and_callback(name, calls):
    seen, steps = [], []

    def velocity(x, t):
        seen.append(t)
        return x

    SAMPLERS[name][0](steps=7).build().sample(velocity, START, lambda i, t, x: steps.append((i, t)))
    assert len(seen) == calls
    assert max(seen) == 1
    assert min(seen) > 0
    assert [i for i, _ in steps] == list(range(1, 8))
    assert [t for _, t in steps] == sampling_times(7)[1:]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_state_keeps_its_dtype(name, dtype):
    found = SAMPLERS[name][0](steps=3).build().sample(lambda x, t: x, START.to(dtype))
    assert found.dtype == dtype


@pytest.mark.parametrize("steps", [1, 2, 7, 30, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_is_that_of_diffusers(steps, shift):
    home = pytest.importorskip("diffusers.schedulers.scheduling_flow_match_euler_discrete")
    other = home.FlowMatchEulerDiscreteScheduler(shift=shift)
    other.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist())
    target, x = normal(2, 3, 4), normal(2, 3, 4, seed=1)
    theirs = x
    for t in other.timesteps:
        theirs = other.step((theirs - target) * (1 + t / 1000), t, theirs).prev_sample
    mine = Euler(steps=steps, shift=shift).build().sample(lambda y, t: (y - target) * (1 + t), x)
    torch.testing.assert_close(mine, theirs, atol=2e-6, rtol=1e-5)


def test_no_steps():
    with pytest.raises(ValueError, match="steps"):
        Euler(steps=0)
