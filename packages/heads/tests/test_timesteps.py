import pytest
import torch

from diptych_heads.time_shift import shift_time
from diptych_heads.timesteps.specs import LogitNormal, Uniform


@pytest.mark.parametrize(
    "spec", [Uniform(), Uniform(shift=3.0), LogitNormal(), LogitNormal(mean=1.0)]
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
