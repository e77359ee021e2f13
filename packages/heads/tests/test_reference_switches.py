"""The switches of reference numerics that networks have: off by default, and what they do."""

import pytest
import torch
from attrs import evolve
from head_cases.small import CONDITION, GRID, NETWORKS

from diptych.seeds import generators
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.networks.time_waves import cut_to_thousandths, time_waves, wave_frequencies
from diptych_heads.noise_schedules.specs import Cosine
from diptych_heads.samplers.euler_discrete_spec import EulerDiscrete
from diptych_heads.samplers.specs import Ddim, DpmSolver2M, Euler


LUMINA = NETWORKS["lumina-next"]


@pytest.mark.parametrize("steps", [1, 5, 7, 30, 50])
def test_times_are_cut_as_the_original_cuts_them(steps):
    """It takes 1000 sigma of a float32 table as a whole number."""
    sigmas = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
    told = [int(1000 * (steps - index) / steps + 1e-9) for index in range(steps)]
    for dtype in (torch.float32, torch.float64):
        assert (cut_to_thousandths(sigmas.to(dtype)) * 1000).round().int().tolist() == told


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_narrow_state_does_not_round_the_times(dtype):
    """The original's state is in half precision and its times are not: they are told whole ones."""
    told = []
    lumina = evolve(LUMINA, whole_times=True, layers=1)
    head = FlowMatching(network=lumina, narrow_state=True, **GRID).build().to(dtype)
    hook = head.network.time_caption_embed.register_forward_hook
    hook(lambda _, given, __: told.append(given[0]))
    condition = torch.zeros(1, 3, CONDITION, dtype=dtype)
    made = head.sample(condition, None, generators([0]), Euler(steps=30).build())
    places = [1000 * (30 - index) // 30 / 1000 for index in range(30)]
    exact = time_waves(torch.tensor(places), wave_frequencies(torch.device("cpu")))
    assert made.dtype == dtype
    torch.testing.assert_close(torch.cat(told), exact, atol=1e-3, rtol=0)


@pytest.mark.parametrize("sampler", [DpmSolver2M(3), Ddim(3, eta=1.0), EulerDiscrete(3)])
def test_a_narrow_state_stays_narrow(sampler):
    pieces = {"network": NETWORKS["dit-learned"], "noise_schedule": Cosine(), "prediction": "v"}
    condition = torch.ones(1, 3, CONDITION, dtype=torch.bfloat16)
    for narrow, dtype in ((True, torch.bfloat16), (None, torch.float32)):
        head = FlowMatching(narrow_state=narrow, **pieces, **GRID).build().bfloat16()
        made = head.sample(condition, None, generators([0]), sampler.build())
        assert made.dtype == dtype
        assert made.isfinite().all()


def test_the_network_is_told_whole_times_only_under_the_switch():
    told = {}
    for on in (None, True):
        network = evolve(LUMINA, whole_times=on).build()
        network.time_caption_embed.register_forward_hook(
            lambda _, given, __, on=on: told.update({on: given[0]})
        )
        context = network.prepare(torch.zeros(2, 3, CONDITION))
        network(torch.zeros(2, 6, 2, 2), torch.tensor([0.9666, 0.5]), context)
    assert torch.equal(told[None][1], told[True][1])
    assert not torch.equal(told[None][0], told[True][0])
