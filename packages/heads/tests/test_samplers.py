import math

import pytest
import torch
from head_cases.small import normal

from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton
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
    "abm": (AdamsMoulton, 3),
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
    [
        ("euler", 7),
        ("heun", 13),
        ("ab2", 7),
        ("abm", 7),
        ("midpoint", 14),
        ("dpm++2m", 7),
        ("ddim", 7),
    ],
)
def test_evaluations_and_callback(name, calls):
    seen, steps = [], []

    def velocity(x, t):
        seen.append(t)
        return x

    sampler = SAMPLERS[name][0](steps=7).build()
    sampler.sample(velocity, START, lambda i, t, x: steps.append((i, t)))
    assert len(seen) == calls
    assert max(seen) == 1
    assert min(seen) > 0
    assert [i for i, _ in steps] == list(range(1, 8))
    assert [t for _, t in steps] == sampler.times()[1:]
    assert sampler.times() == sampling_times(7, ends=0.75 if name == "abm" else 0)


def test_correction_is_that_of_the_textbook():
    """On even steps: Adams-Bashforth 3/2, -1/2, then Adams-Moulton 5/12, 8/12, -1/12."""
    count, x, slopes = 9, START, []
    h, start = -1 / count, START
    for index in range(count):
        t = 1 + index * h
        slopes.insert(0, growth(x, t))
        if index == 1:
            x = start + h * (slopes[0] + slopes[1]) / 2
        if index > 1:
            x = start + h * (5 * slopes[0] + 8 * slopes[1] - slopes[2]) / 12
        start = x
        x = x + h * (slopes[0] if index == 0 else (3 * slopes[0] - slopes[1]) / 2)
    found = AdamsMoulton(steps=count, ends=0).build().sample(growth, START)
    torch.testing.assert_close(found, x, atol=1e-13, rtol=0)


def test_a_cubic_is_followed_by_the_corrector_at_any_times():
    """dx/dt = t^2: all but the last step, and the first, are exact."""
    times = (0.9, 0.7, 0.68, 0.3, 0.05)
    seen = []
    sampler = AdamsMoulton(steps=6, times=times).build()

    def velocity(x, t):
        seen.append(t)
        return torch.full_like(x, t**2)

    found = sampler.sample(velocity, START)
    assert seen == [1.0, *times]
    # the first step is closed by a trapezoid, whose error is h^3 / 6; the last is extrapolated
    first = -(0.1**3) / 6
    ends = 0.05**2 + (-0.05) / (0.05 - 0.3) / 2 * (0.05**2 - 0.3**2)
    last = -0.05 * ends + 0.05**3 / 3
    torch.testing.assert_close(found, START - 1 / 3 + first + last, atol=1e-13, rtol=0)


def test_times_lie_closer_at_the_ends():
    even, close = sampling_times(8), sampling_times(8, ends=1.0)
    assert even == [1 - index / 8 for index in range(9)]
    wanted = [(1 + math.cos(math.pi * index / 8)) / 2 for index in range(9)]
    assert close == pytest.approx(wanted, abs=1e-15)
    assert (close[0], close[-1]) == (1.0, 0.0)
    half = sampling_times(8, 2.0, 0.5)
    assert half == pytest.approx(
        [2 * t / (1 + t) for t in [(a + b) / 2 for a, b in zip(even, close, strict=True)]]
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 3, "times": (0.5,)}, "1 `times` between the ends make 2 steps, not 3"),
        ({"steps": 3, "times": (0.5, 0.6)}, "must fall .*; 0.6 does not"),
        ({"steps": 2, "times": (1.0,)}, "1.0 does not"),
        ({"steps": 2, "times": (0.0,)}, "0.0 does not"),
        ({"ends": 1.5}, "ends"),
        ({"steps": 2, "times": (0.5,), "shift": 2.0}, "leave them out"),
        ({"steps": 2, "times": (0.5,), "ends": 0.0}, "leave them out"),
    ],
)
def test_times_that_cannot_be_walked(fields, message):
    with pytest.raises(ValueError, match=message):
        AdamsMoulton(**fields)


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
