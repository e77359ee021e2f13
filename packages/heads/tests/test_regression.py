import pytest
import torch
from attrs import evolve
from head_cases.small import CONDITION, GRID, HEADS, TOKENS, normal, shaken

from diptych.errors import RequestError
from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree
from diptych_heads.heads.specs import Regression
from diptych_heads.samplers.specs import Euler


SPEC = HEADS["regression"]


@pytest.mark.parametrize("queries", [1, 5, TOKENS, 20])
def test_any_number_of_condition_tokens(queries, generator):
    head = shaken(SPEC.build())
    condition, target = normal(3, queries, CONDITION), normal(3, TOKENS, 6)
    found = head.sample(condition, None, generators([1, 2, 3]))
    assert found.shape == target.shape
    loss = head.loss(target, condition, None, generator)
    torch.testing.assert_close(loss, (found - target).square().mean(dim=(1, 2)))


def test_linear_readout_is_one_matrix(generator):
    head = HEADS["regression-linear"].build()
    assert sum(each.numel() for each in head.parameters()) == (CONDITION + 1) * 6
    condition = normal(3, TOKENS, CONDITION)
    weight, bias = head.readout.linear.weight, head.readout.linear.bias
    found = head.sample(condition, None, generators([1, 2, 3]))
    torch.testing.assert_close(found, condition @ weight.T + bias)
    with pytest.raises(ValueError, match="readout: transformer"):
        head.sample(condition[:, :3], None, generators([1, 2, 3]))


def test_linear_readout_says_so_in_its_ports():
    spec = HEADS["regression-linear"]
    assert spec.ports().inputs["condition"].axes == "b (height width) condition_width"


@pytest.mark.parametrize("what", ["sampler", "guidance"])
def test_what_cannot_act_is_refused(what):
    given = {"sampler": Euler().build(), "guidance": ClassifierFree().build()}[what]
    with pytest.raises(RequestError, match=f"{what} cannot"):
        SPEC.build().sample(normal(1, 3, CONDITION), None, generators([1]), **{what: given})


def test_seeds_do_not_matter():
    head, condition = shaken(SPEC.build()), normal(2, 3, CONDITION)
    found = [head.sample(condition, None, generators(seeds)) for seeds in ([1, 2], [3, 4])]
    assert torch.equal(*found)


@pytest.mark.parametrize("name", ["regression", "regression-linear"])
def test_padding_does_not_matter(name):
    head = shaken(HEADS[name].build()).double()
    condition = normal(2, TOKENS, CONDITION).double()
    mask = torch.ones(2, TOKENS, dtype=torch.bool)
    mask[1, 4:] = False
    other = torch.where(mask[..., None], condition, 50.0)
    found = [head.sample(each, mask, generators([1, 2])) for each in (condition, other)]
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)
    if name == "regression":
        alone = head.sample(condition[1:, :4], None, generators([2]))
        torch.testing.assert_close(found[0][1:], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["regression", "regression-linear"])
def test_gradients_reach_everything(name, generator):
    head = shaken(HEADS[name].build())
    condition = normal(2, TOKENS, CONDITION).requires_grad_()
    head.loss(normal(2, TOKENS, 6), condition, None, generator).mean().backward()
    assert condition.grad.abs().max() > 0
    for key, parameter in head.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


def test_learns(generator):
    torch.manual_seed(0)
    head = SPEC.build()
    condition, target = normal(4, 3, CONDITION), normal(4, TOKENS, 6, seed=1)
    optimiser = torch.optim.Adam(head.parameters(), 3e-3)
    for _ in range(150):
        loss = head.loss(target, condition, None, generator).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.05


def test_heads_that_do_not_fit():
    with pytest.raises(ValueError, match="multiple of heads"):
        Regression(hidden_width=50, heads=6, **GRID)


def test_bfloat16():
    head = shaken(evolve(SPEC).build()).bfloat16()
    condition = normal(2, 3, CONDITION, dtype=torch.bfloat16)
    assert head.sample(condition, None, generators([1, 2])).dtype == torch.float32
