import pytest
import torch
from head_cases.properties import examples
from head_cases.small import normal
from hypothesis import given
from hypothesis import strategies as st

from diptych_heads.mixing import Mixing
from diptych_heads.noise_schedules.specs import Cosine, DdpmLinear, Linear, ScaledLinear
from diptych_heads.predictions import (
    to_clean,
    to_noise,
    to_velocity,
    training_target,
    velocity_error_weight,
)


KINDS = ("velocity", "clean", "noise", "v")
schedules = st.one_of(
    st.builds(Linear, shift=st.floats(0.3, 5.0)),
    *(st.builds(each) for each in (Cosine, DdpmLinear, ScaledLinear)),
)


def moment(schedule, t):
    clean, noise = normal(2, 3, 4, seed=1).double(), normal(2, 3, 4, seed=2).double()
    times = torch.tensor([t, 1 - t], dtype=torch.float64)
    return clean, noise, Mixing.at(schedule.build(), times, dims=3)


@examples
@given(schedule=schedules, t=st.floats(0.06, 0.94), kind=st.sampled_from(KINDS))
def test_any_prediction_gives_the_others(schedule, t, kind):
    clean, noise, mixing = moment(schedule, t)
    x = mixing.mix(clean, noise)
    prediction = training_target(kind, clean, noise, mixing)
    velocity = training_target("velocity", clean, noise, mixing)
    torch.testing.assert_close(to_clean(kind, prediction, x, mixing), clean)
    torch.testing.assert_close(to_noise(kind, prediction, x, mixing), noise)
    torch.testing.assert_close(to_velocity(kind, prediction, x, mixing), velocity)


@examples
@given(schedule=schedules, t=st.floats(0.2, 0.8), kind=st.sampled_from(KINDS))
def test_weights_turn_errors_into_errors_of_the_velocity(schedule, t, kind):
    clean, noise, mixing = moment(schedule, t)
    x = mixing.mix(clean, noise)
    right = training_target(kind, clean, noise, mixing)
    wrong = right + normal(2, 3, 4, seed=3)
    difference = to_velocity(kind, wrong, x, mixing) - to_velocity(kind, right, x, mixing)
    # DDPM's alpha falls below the floor that training has within these times
    weight = velocity_error_weight(kind, mixing, floor=1e-3)
    weighted = weight * (wrong - right).square()
    torch.testing.assert_close(difference.square(), weighted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("t", [0.0, 1.0])
def test_ends_stay_finite(kind, t):
    _, noise, mixing = moment(Linear(), t)
    for convert in (to_clean, to_noise, to_velocity):
        assert torch.isfinite(convert(kind, noise, noise + 1, mixing)).all()


def test_v_is_the_velocity_by_angle_on_a_quarter_circle():
    clean, noise, mixing = moment(Cosine(), 0.3)
    by_time = training_target("velocity", clean, noise, mixing)
    v = training_target("v", clean, noise, mixing)
    torch.testing.assert_close(v * (torch.pi / 2), by_time)
