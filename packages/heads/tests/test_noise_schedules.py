import pytest
import torch
from head_cases.properties import examples
from hypothesis import example, given
from hypothesis import strategies as st

from diptych_heads.noise_schedules.specs import Cosine, DdpmLinear, Linear, ScaledLinear


shifts = st.floats(0.2, 8.0)
times = st.floats(0.001, 0.999)


def schedules(shift: float):
    tables = [DdpmLinear(), ScaledLinear()]
    return [each.build() for each in (Linear(shift=shift), Cosine(), *tables)]


@examples
@given(shift=shifts, t=times)
def test_derivatives_are_those_of_the_functions(shift, t):
    t, h = torch.tensor(t, dtype=torch.float64), 1e-6
    for schedule in schedules(shift):
        for name in ("alpha", "sigma"):
            function = getattr(schedule, name)
            slope = (function(t + h) - function(t - h)) / (2 * h)
            derivative = getattr(schedule, f"d_{name}")(t)
            torch.testing.assert_close(derivative, slope, atol=1e-6, rtol=1e-5)


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


@examples
@given(
    spec=st.sampled_from([DdpmLinear, ScaledLinear]),
    betas=st.tuples(*[st.floats(-8, -0.01)] * 2),
    steps=st.integers(3, 2000),
    zero=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@example(spec=DdpmLinear, betas=(-6, -2), steps=2000, zero=True, dtype=torch.float32)
@example(spec=DdpmLinear, betas=(-4, -1.7), steps=50, zero=False, dtype=torch.float32)
@example(spec=ScaledLinear, betas=(-8, -0.1), steps=3, zero=True, dtype=torch.float64)
def test_any_table_is_finite_and_falls(spec, betas, steps, zero, dtype):
    start, end = (10**each for each in betas)
    table = spec(beta_start=start, beta_end=end, steps=steps, zero_terminal=zero)
    schedule = table.build()
    early = torch.logspace(-9, -1, 60, dtype=torch.float64)
    t = torch.cat([torch.zeros(1), early, torch.linspace(0.1, 1, 301)[1:]]).to(dtype)
    alpha, sigma, falls, rises = (
        getattr(schedule, name)(t) for name in ("alpha", "sigma", "d_alpha", "d_sigma")
    )
    for each in (alpha, sigma, falls, rises):
        assert each.isfinite().all()
    rounded = 4 * torch.finfo(dtype).eps
    assert (alpha.diff() <= rounded).all()
    assert (sigma.diff() >= -rounded).all()
    assert (falls <= 0).all()
    assert (rises >= 0).all()
    assert sigma[1:].min() > 0


def test_cosine_keeps_the_variance():
    t = torch.linspace(0, 1, 11)
    cosine = Cosine().build()
    torch.testing.assert_close(cosine.alpha(t) ** 2 + cosine.sigma(t) ** 2, torch.ones(11))
    assert cosine.alpha(t)[-1] == 0


@pytest.mark.parametrize("shift", [0.0, -1.0])
def test_shifts_that_are_none(shift):
    with pytest.raises(ValueError, match="shift"):
        Linear(shift=shift)


@pytest.mark.parametrize(
    ("name", "spec"), [("linear", DdpmLinear), ("scaled_linear", ScaledLinear)]
)
@pytest.mark.parametrize("zero", [False, True])
def test_tables_are_those_of_diffusers(name, spec, zero):
    home = pytest.importorskip("diffusers.schedulers.scheduling_ddim")
    given = spec(zero_terminal=zero)
    other = home.DDIMScheduler(
        beta_start=given.beta_start,
        beta_end=given.beta_end,
        beta_schedule=name,
        rescale_betas_zero_snr=zero,
    )
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    schedule, theirs = given.build(), other.alphas_cumprod.double()
    if zero:
        theirs[-1] = 0  # where diffusers keeps 2^-24
    # diffusers multiplies a thousand float32 factors
    torch.testing.assert_close(schedule.alpha(t) ** 2, theirs, atol=1e-3 if zero else 1e-5, rtol=0)
    power = schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2
    torch.testing.assert_close(power, torch.ones_like(power), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("spec", "least"), [(DdpmLinear, 6.35e-3), (ScaledLinear, 6.83e-2)])
def test_a_published_table_ends_with_a_little_target(spec, least):
    end = torch.ones(1, dtype=torch.float64)
    found = spec(zero_terminal=False).build().alpha(end).item()
    assert found == pytest.approx(least, 1e-2)
