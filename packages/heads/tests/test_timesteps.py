import math

import pytest
import torch

from diptych_heads.time_shift import shift_time
from diptych_heads.timesteps.specs import LogitNormal, Mode, ReferenceInteger, TokenShift, Uniform


@pytest.mark.parametrize(
    "spec",
    [
        Uniform(),
        Uniform(shift=3.0),
        LogitNormal(),
        LogitNormal(mean=1.0),
        Mode(),
        Mode(weight=-1.0),
        ReferenceInteger(),
        TokenShift(tokens=256),
    ],
)
def test_draws_are_times_and_repeatable(spec):
    draws = [spec.build().draw(1000, torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(*draws)
    assert draws[0].shape == (1000,)
    assert draws[0].min() > 0
    assert draws[0].max() <= 1


def test_uniform_is_even(generator):
    t = Uniform().build().draw(20_000, generator)
    counts = torch.histc(t, 10, 0, 1)
    assert (counts - 2000).abs().max() < 5 * 2000**0.5


def test_logit_normal_has_its_moments(generator):
    t = LogitNormal(mean=0.5, std=0.8).build().draw(20_000, generator)
    logit = torch.logit(t.double())
    assert logit.mean() == pytest.approx(0.5, abs=0.03)
    assert logit.std() == pytest.approx(0.8, abs=0.03)


def test_shift_moves_the_median(generator):
    t = Uniform(shift=3.0).build().draw(20_000, generator)
    assert t.median() == pytest.approx(shift_time(0.5, 3.0), abs=0.01)
    assert shift_time(0.5, 3.0) == 0.75


@pytest.mark.parametrize("weight", [-0.8, 0.0, 1.29, 1.7])
def test_mode_has_the_density_of_its_map(weight, generator):
    """A share u of all draws lies above the map of u, which falls."""
    t = Mode(weight=weight).build().draw(40_000, generator).double()
    for u in (0.1, 0.3, 0.5, 0.8):
        place = 1 - u - weight * (math.cos(math.pi * u / 2) ** 2 - 1 + u)
        assert (t > place).double().mean().item() == pytest.approx(u, abs=0.01)


def test_a_mode_outside_its_range():
    with pytest.raises(ValueError, match="weight"):
        Mode(weight=2.0)


def test_reference_integers_are_those_of_blip3o(generator):
    """Entry floor(1000 u) of the times 1000, 999, ..., 1."""
    u = torch.rand(5000, generator=torch.Generator().manual_seed(0))
    times = torch.arange(1000, 0, -1)
    t = ReferenceInteger().build().draw(5000, generator)
    torch.testing.assert_close(t * 1000, times[(u * 1000).long()].float())
    assert t.min() > 0
    assert (t * 1000 - (t * 1000).round()).abs().max() < 1e-4


def test_token_shift(generator):
    assert TokenShift(tokens=256).build().shift == 2.0
    t = TokenShift(tokens=576).build().draw(20_000, generator)
    assert t.median() == pytest.approx(shift_time(0.5, 3.0), abs=0.01)
    same = TokenShift(tokens=64, timesteps=LogitNormal(mean=0.5)).build()
    drawn = [
        each.draw(9, torch.Generator().manual_seed(1))
        for each in (same, LogitNormal(mean=0.5).build())
    ]
    assert torch.equal(*drawn)
