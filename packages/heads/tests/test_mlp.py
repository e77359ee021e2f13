"""The network that denoises each token on its own."""

import pytest
import torch
from head_cases.small import CONDITION, GRID, TOKENS, normal, shaken

from diptych.errors import RequestError
from diptych_heads.networks.mlp_spec import Mlp


SHAPE = (GRID["channels"], GRID["height"], GRID["width"])
SPEC = Mlp(hidden_width=32, layers=2, condition_width=CONDITION, **GRID)


def inputs():
    t = torch.tensor([0.1, 0.5, 0.9]).double()
    return normal(3, *SHAPE).double(), t, normal(3, TOKENS, CONDITION, seed=1).double()


@pytest.fixture
def network():
    return shaken(SPEC.build()).double()


def test_tokens_do_not_meet(network):
    """Another token, or another token's condition, changes nothing."""
    x, t, condition = inputs()
    base = network(x, t, network.prepare(condition)).flatten(2)
    other_x, other_condition = x.clone().flatten(2), condition.clone()
    other_x[:, :, 3] += 1
    other_condition[:, 5] += 1
    found = network(other_x.view(x.shape), t, network.prepare(other_condition)).flatten(2)
    changed = (found - base).abs().amax(dim=(0, 1)) > 1e-12
    assert changed.nonzero().flatten().tolist() == [3, 5]


def test_the_time_matters(network):
    x, t, condition = inputs()
    context = network.prepare(condition)
    assert (network(x, t, context) - network(x, t / 2, context)).abs().max() > 1e-3


def test_a_token_without_a_condition_has_a_zero_one(network):
    x, t, condition = inputs()
    mask = torch.ones(3, TOKENS, dtype=torch.bool)
    mask[1, 4] = False
    zeroed = condition.clone()
    zeroed[1, 4] = 0
    found = [network(x, t, network.prepare(*each)) for each in ((condition, mask), (zeroed, None))]
    assert torch.equal(*found)


def test_added_null_samples(network):
    x, t, condition = inputs()
    both = torch.cat([x, x]), torch.cat([t, t])
    found = network(*both, network.with_null(network.prepare(condition), 3))
    whole = network(*both, network.prepare(torch.cat([condition, 0 * condition])))
    torch.testing.assert_close(found, whole, atol=1e-12, rtol=0)


def test_as_many_condition_tokens_as_target_tokens(network):
    x, t, condition = inputs()
    with pytest.raises(RequestError, match=r"5 of them for 8 target"):
        network(x, t, network.prepare(condition[:, :5]))


def test_a_fresh_network_predicts_zero():
    network = SPEC.build()
    x, t, condition = (each.float() for each in inputs())
    assert network(x, t, network.prepare(condition)).abs().max() == 0


def test_gradients_reach_everything(network):
    x, t, condition = inputs()
    network(x, t, network.prepare(condition)).square().mean().backward()
    for name, each in network.named_parameters():
        assert each.grad.abs().max() > 0, name
