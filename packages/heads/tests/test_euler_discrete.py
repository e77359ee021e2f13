"""`euler-discrete` is diffusers' EulerDiscreteScheduler, over the table of SDXL."""

import pytest
import torch
from diffusers import EulerDiscreteScheduler
from head_cases.official import off
from head_cases.small import normal

from diptych_heads.mixing import Mixing
from diptych_heads.noise_schedules.specs import DdpmLinear, ScaledLinear
from diptych_heads.predictions import to_velocity
from diptych_heads.samplers.euler_discrete_spec import EulerDiscrete
from diptych_heads.samplers.flow import Flow


NOISE = normal(2, 3, 4).double()
KINDS = {"epsilon": "noise", "v_prediction": "v", "sample": "clean"}


def network(x, place):
    """Stand for a network that looks at where it is told to be: place of the table, from 0."""
    return torch.tanh(x) + 0.1 + place / 1000


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [2, 7, 50])
@pytest.mark.parametrize("told", KINDS)
def test_it_is_that_of_diffusers(spacing, steps, told, parity):
    spec = ScaledLinear(zero_terminal=False)
    other = EulerDiscreteScheduler(
        beta_start=spec.beta_start, beta_end=spec.beta_end, beta_schedule="scaled_linear",
        timestep_spacing=spacing, steps_offset=1, prediction_type=told,
    )  # fmt: skip
    other.set_timesteps(steps)
    theirs = NOISE * other.init_noise_sigma
    for t in other.timesteps:
        seen = other.scale_model_input(theirs, t)
        theirs = other.step(network(seen, float(t)), t, theirs).prev_sample
    asked, schedule = [], spec.build()

    def velocity(x, t):
        asked.append(t * 1000 - 1)
        mixing = Mixing.at(schedule, x.new_full((1,), t), dims=x.ndim)
        return to_velocity(KINDS[told], network(x, asked[-1]), x, mixing)

    sampler = EulerDiscrete(steps=steps, spacing=spacing).build()
    ours = sampler.sample(Flow(velocity, schedule), NOISE)
    assert asked == pytest.approx(other.timesteps.tolist(), abs=1e-3)
    # their table is float32, and between its places they draw straight lines through sigma
    limit = 1e-3 if spacing == "linspace" else 2e-4
    assert off(ours, theirs) < limit * float(theirs.abs().max())
    if told == "epsilon" and steps == 50:
        named = f"{steps} steps, {spacing}"
        parity(
            "sampler `euler-discrete`", "diffusers EulerDiscrete", named, off(ours, theirs), limit
        )


def test_another_table():
    spec = DdpmLinear(beta_start=1e-3, beta_end=0.1, steps=100, zero_terminal=False)
    other = EulerDiscreteScheduler(
        num_train_timesteps=100, beta_start=1e-3, beta_end=0.1, timestep_spacing="leading"
    )
    other.set_timesteps(8)
    sampler = EulerDiscrete(steps=8, table=100, offset=0).build()
    assert sampler.places() == other.timesteps.tolist()
    schedule = spec.build()
    times = torch.tensor(sampler.times()[:-1], dtype=torch.float64)
    level = schedule.sigma(times) / schedule.alpha(times)
    torch.testing.assert_close(level.float(), other.sigmas[:-1], rtol=1e-4, atol=0)


def test_one_step_starts_from_noise():
    """Also where diffusers' even places are the least noisy one alone."""
    assert EulerDiscrete(steps=1, spacing="linspace").build().places() == [999]
    assert EulerDiscrete(steps=1, spacing="trailing").build().places() == [999]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 11, "table": 10}, "a table of 10 places has no 11 steps"),
        ({"steps": 10, "table": 10, "offset": 1}, "offset 1 leads beyond a table of 10 places"),
    ],
)
def test_places_that_no_table_has(fields, message):
    with pytest.raises(ValueError, match=message):
        EulerDiscrete(**fields)
