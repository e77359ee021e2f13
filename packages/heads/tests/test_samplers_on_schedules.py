"""The samplers that follow a noise schedule: against diffusers, exact solutions and moments."""

import math
from itertools import pairwise

import pytest
import torch
from head_cases.small import normal

from diptych.errors import RequestError
from diptych_heads.mixing import Mixing
from diptych_heads.noise_schedules.specs import Cosine, DdpmLinear, Linear, ScaledLinear
from diptych_heads.predictions import to_velocity
from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.specs import AdamsBashforth2, Ddim, DpmSolver2M, Euler


MEAN, SPREAD = 0.7, 0.4
NOISE = normal(2, 3, 4).double()


def velocity_of(schedule, kind, predict):
    """Turn a prediction (x, t) into a velocity along a schedule."""

    def velocity(x, t):
        mixing = Mixing.at(schedule, x.new_full((1,), t), dims=x.ndim)
        return to_velocity(kind, predict(x, mixing), x, mixing)

    return velocity


def best_clean(x, mixing):
    """Estimate targets of a normal distribution: the best that a network could learn."""
    power = mixing.alpha**2 * SPREAD**2 + mixing.sigma**2
    return MEAN + mixing.alpha * SPREAD**2 / power * (x - mixing.alpha * MEAN)


def gaussian(spec):
    schedule = spec.build()
    return schedule, velocity_of(schedule, "clean", best_clean)


@pytest.mark.parametrize("spec", [Linear(), Linear(shift=3.0), Cosine()])
@pytest.mark.parametrize(("sampler", "order"), [(Ddim, 1), (AdamsBashforth2, 2)])
def test_order_along_a_schedule(spec, sampler, order):
    """Noise goes to MEAN + SPREAD * noise, exactly."""
    flow, errors, counts = Flow(gaussian(spec)[1], spec.build()), [], (40, 80, 160)
    for steps in counts:
        found = sampler(steps=steps).build().sample(flow, NOISE)
        errors.append((found - (MEAN + SPREAD * NOISE)).norm().item())
    slope = math.log(errors[0] / errors[-1]) / math.log(counts[-1] / counts[0])
    assert slope == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("spec", [Linear(), Cosine()])
def test_order_of_dpm_solver_between_the_ends(spec):
    """Order 2 is promised in lambda, which is infinite at both ends: here t goes from 0.9 to 0.1.

    With even steps in t over the whole way, errors fall like log(n) / n^2.
    """
    schedule, velocity = gaussian(spec)

    def exact(t):
        mixing = Mixing.at(schedule, NOISE.new_full((1,), t), dims=3)
        spread = (mixing.alpha**2 * SPREAD**2 + mixing.sigma**2).sqrt()
        return mixing.alpha * MEAN + spread * NOISE

    errors, counts = [], (80, 320)
    for steps in counts:
        x, step = exact(0.9), DpmSolver2M().build().stepper(Flow(velocity, schedule))
        times = [0.9 - 0.8 * index / steps for index in range(steps + 1)]
        for now, then in pairwise(times):
            x = step(x, now, then)
        errors.append((x - exact(0.1)).norm().item())
    slope = math.log(errors[0] / errors[-1]) / math.log(counts[-1] / counts[0])
    assert slope == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("spec", [Cosine(), ScaledLinear(), DdpmLinear()])
@pytest.mark.parametrize("sampler", [Ddim(60), Ddim(60, eta=1.0), DpmSolver2M(30)])
def test_float32_stays_finite_from_pure_noise(spec, sampler):
    schedule, velocity = gaussian(spec)
    own = torch.Generator().manual_seed(5)
    flow = Flow(velocity, schedule, lambda: torch.randn(2, 3, 4, generator=own))
    found = sampler.build().sample(flow, NOISE.float())
    assert torch.isfinite(found).all()
    assert (found - MEAN).abs().max() < 5 * SPREAD


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("sampler", [Ddim(300), Ddim(300, eta=1.0), DpmSolver2M(300)])
def test_a_half_precision_state_is_rounded_and_its_times_are_not(sampler, dtype):
    """Times a three-hundredth apart are one in bfloat16: a step between them was 0 / 0."""
    schedule, exact = gaussian(Cosine())
    states, ends = [], []
    for noise in (NOISE.to(dtype), NOISE.to(dtype).double()):
        flow = Flow(
            lambda x, t: exact(x.double(), t).to(x.dtype), schedule, lambda like=noise: like
        )
        how = lambda step, t, x: states.append(x.dtype)  # noqa: E731
        ends.append(sampler.build().sample(flow, noise, how).double())
    assert states == [dtype] * 300 + [torch.float64] * 300
    assert (ends[0] - ends[1]).abs().max() < 300 * torch.finfo(dtype).eps * SPREAD


@pytest.mark.parametrize("spec", [Cosine(), Linear(), ScaledLinear()])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_moments(spec, eta):
    """What is drawn has the mean and the spread of the targets, however much noise is new."""
    schedule, velocity = gaussian(spec)
    own = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(20_000, 1, generator=own, dtype=torch.float64)  # noqa: E731
    found = Ddim(steps=300, eta=eta).build().sample(Flow(velocity, schedule, draw), draw())
    assert found.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert found.std().item() == pytest.approx(SPREAD, rel=0.05)


def test_new_noise_is_new():
    schedule, velocity = gaussian(Cosine())
    ends = []
    for seed in (1, 2):
        flow = Flow(velocity, schedule, lambda seed=seed: normal(2, 3, 4, seed=seed).double())
        ends.append([Ddim(8, eta=eta).build().sample(flow, NOISE) for eta in (0.0, 1.0)])
    assert torch.equal(ends[0][0], ends[1][0])
    assert (ends[0][1] - ends[1][1]).abs().max() > 0.05


def test_new_noise_needs_a_source():
    with pytest.raises(RequestError, match="draw_noise"):
        Ddim(4, eta=0.5).build().sample(lambda x, t: x, NOISE)


def test_ddim_on_a_straight_line_is_euler():
    found = [each.build().sample(lambda x, t: x * t, NOISE) for each in (Ddim(9), Euler(9))]
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)


def noise_of_a_network(x, _):
    return torch.tanh(x) + 0.1


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("name", ["linear", "scaled_linear"])
def test_ddim_is_that_of_diffusers(eta, name):
    home = pytest.importorskip("diffusers.schedulers.scheduling_ddim")
    spec = {"linear": DdpmLinear, "scaled_linear": ScaledLinear}[name](zero_terminal=False)
    other = home.DDIMScheduler(
        beta_start=spec.beta_start, beta_end=spec.beta_end, beta_schedule=name, clip_sample=False
    )
    other.set_timesteps(10)
    schedule, z = spec.build(), normal(2, 3, 4, seed=3).double()
    flow = Flow(velocity_of(schedule, "noise", noise_of_a_network), schedule, lambda: z)
    step, mine, theirs = Ddim(eta=eta).build().stepper(flow), NOISE, NOISE
    for t in other.timesteps.tolist():
        mine = step(mine, (t + 1) / 1000, max(t - 99, 0) / 1000)
        noise = noise_of_a_network(theirs, None)
        theirs = other.step(noise, t, theirs, eta=eta, variance_noise=z).prev_sample
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("steps", [3, 8, 20])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_dpm_solver_is_that_of_diffusers(steps, shift):
    home = pytest.importorskip("diffusers.schedulers.scheduling_dpmsolver_multistep")
    other = home.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    other.set_timesteps(steps)
    mine = theirs = NOISE
    step = DpmSolver2M().build().stepper(Flow(lambda x, t: x * (1 + t), Linear().build()))
    sigmas = other.sigmas.double().tolist()
    for index, t in enumerate(other.timesteps):
        mine = step(mine, sigmas[index], sigmas[index + 1])
        theirs = other.step(theirs * (1 + sigmas[index]), t, theirs).prev_sample
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
