"""The switches of reference numerics that networks have: off by default, and what they do."""

import pytest
import torch
from attrs import evolve
from head_cases.small import CONDITION, NETWORKS

from diptych_heads.networks.time_waves import cut_to_thousandths


LUMINA = NETWORKS["lumina-next"]


@pytest.mark.parametrize("steps", [1, 5, 7, 30, 50])
def test_times_are_cut_as_the_original_cuts_them(steps):
    """It takes 1000 sigma of a float32 table as a whole number."""
    sigmas = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
    told = [int(1000 * (steps - index) / steps + 1e-9) for index in range(steps)]
    for dtype in (torch.float32, torch.float64):
        assert (cut_to_thousandths(sigmas.to(dtype)) * 1000).round().int().tolist() == told


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
