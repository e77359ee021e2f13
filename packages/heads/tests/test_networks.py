"""What holds for every network."""

import copy

import pytest
import torch
from attrs import evolve
from head_cases.small import CONDITION, GRID, NETWORKS, normal, shaken


pytestmark = pytest.mark.parametrize("name", NETWORKS)
SHAPE = (GRID["channels"], GRID["height"], GRID["width"])


def inputs(batch=3, queries=5, dtype=torch.float64):
    return (
        normal(batch, *SHAPE, dtype=dtype),
        torch.linspace(0.1, 0.9, batch, dtype=dtype),
        normal(batch, queries, CONDITION, seed=1, dtype=dtype),
    )


@pytest.fixture
def network(name):
    return shaken(NETWORKS[name].build()).double()


def test_padding_of_the_condition_does_not_matter(network, name):
    x, t, condition = inputs()
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1, 3:] = False
    mask[2, :2] = False
    other = torch.where(mask[..., None], condition, 1e3 * normal(3, 5, CONDITION, seed=9).double())
    found = [network(x, t, network.prepare(each, mask)) for each in (condition, other)]
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)
    alone = network(x[1:2], t[1:2], network.prepare(condition[1:2, :3]))
    torch.testing.assert_close(found[0][1:2], alone, atol=1e-12, rtol=0)


def test_no_mask_means_all_real(network, name):
    x, t, condition = inputs()
    mask = torch.ones(3, 5, dtype=torch.bool)
    found = [network(x, t, network.prepare(condition, each)) for each in (None, mask)]
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)


def test_a_condition_without_real_tokens_stays_finite(network, name):
    x, t, condition = inputs()
    mask = torch.zeros(3, 5, dtype=torch.bool)
    assert torch.isfinite(network(x, t, network.prepare(condition, mask))).all()


def test_samples_do_not_meet(network, name):
    x, t, condition = inputs()
    together = network(x, t, network.prepare(condition))
    alone = network(x[2:], t[2:], network.prepare(condition[2:]))
    torch.testing.assert_close(together[2:], alone, atol=1e-12, rtol=0)


def test_everything_matters(network, name):
    x, t, condition = inputs()
    base = network(x, t, network.prepare(condition))
    changed = [
        network(x + 0.1, t, network.prepare(condition)),
        network(x, t * 0.5, network.prepare(condition)),
        network(x, t, network.prepare(condition + 0.1 * normal(3, 5, CONDITION, seed=5))),
        network(x.flip(-1), t, network.prepare(condition)).flip(-1),
    ]
    for each in changed:
        assert (each - base).abs().max() > 1e-4


def test_gradients_reach_everything(network, name):
    x, t, condition = inputs()
    condition.requires_grad_()
    network(x, t, network.prepare(condition)).square().mean().backward()
    assert condition.grad.abs().max() > 0
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


def test_a_fresh_network_predicts_zero_and_learns(name):
    network = NETWORKS[name].build()
    x, t, condition = inputs(dtype=torch.float32)
    assert network(x, t, network.prepare(condition)).abs().max() == 0
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = (network(x, t, network.prepare(condition)) - x.flip(0)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept(name, dtype):
    network = shaken(NETWORKS[name].build()).to(dtype)
    x, t, condition = inputs(dtype=dtype)
    mask = torch.ones(3, 5, dtype=torch.bool)
    out = network(x, t.float(), network.prepare(condition, mask))
    assert out.dtype == dtype
    assert out.shape == x.shape
    exact = network.double()(x.double(), t.float(), network.prepare(condition.double(), mask))
    near = {torch.bfloat16: 0.25, torch.float32: 1e-4, torch.float64: 1e-12}[dtype]
    assert (out.double() - exact).abs().max() < near


def test_autocast_is_near(name, recwarn):
    network = shaken(NETWORKS[name].build())
    x, t, condition = inputs(dtype=torch.float32)
    exact = network(x, t, network.prepare(condition))
    with torch.autocast("cpu", torch.bfloat16):
        out = network(x, t, network.prepare(condition))
    out.float().mean().backward()
    assert (out.float() - exact).abs().max() < 0.25
    assert not [each for each in recwarn if "dtype" in str(each.message)]


def test_built_on_meta_and_filled(name):
    with torch.device("meta"):
        network = NETWORKS[name].build()
    assert all(each.is_meta for each in network.parameters())
    source = shaken(NETWORKS[name].build())
    network = network.to_empty(device="cpu")
    network.load_state_dict(source.state_dict())
    x, t, condition = inputs(dtype=torch.float32)
    found = [each(x, t, each.prepare(condition)) for each in (network, source)]
    assert torch.equal(*found)


def test_saved_and_loaded(network, name, tmp_path):
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    other = shaken(NETWORKS[name].build(), seed=1).double()
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    x, t, condition = inputs()
    found = [each(x, t, each.prepare(condition)) for each in (network, other)]
    assert torch.equal(*found)


def test_copied(network, name):
    x, t, condition = inputs()
    other = copy.deepcopy(network)
    found = [each(x, t, each.prepare(condition)) for each in (network, other)]
    assert torch.equal(*found)


def test_other_grids(network, name):
    x = normal(2, GRID["channels"], 3, 5).double()
    t, condition = torch.tensor([0.2, 0.7]), normal(2, 4, CONDITION).double()
    if name == "dit-learned":
        with pytest.raises(ValueError, match="sin-cos"):
            network(x, t, network.prepare(condition))
    else:
        assert network(x, t, network.prepare(condition)).shape == x.shape


def test_patches(name):
    spec = evolve(NETWORKS[name], patch_size=2, height=4, width=4)
    network = shaken(spec.build())
    x = normal(2, GRID["channels"], 4, 4)
    out = network(x, torch.tensor([0.1, 0.9]), network.prepare(normal(2, 3, CONDITION)))
    assert out.shape == x.shape


def test_patches_that_do_not_fit(name):
    with pytest.raises(Exception, match="patches of 3"):
        evolve(NETWORKS[name], patch_size=3).build()


def test_unknown_sizes_are_named(name):
    with pytest.raises(Exception, match=r"condition_width.*follows"):
        evolve(NETWORKS[name], condition_width=None).build()
