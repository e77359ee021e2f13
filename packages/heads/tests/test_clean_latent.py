"""Painting beside the clean target of a picture that is changed."""

import pytest
import torch
from head_cases.small import normal, shaken

from diptych.errors import RequestError
from diptych.seeds import generators, noise
from diptych_heads.guidance.specs import ClassifierFree
from diptych_heads.heads.diffusion_spec import Diffusion
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.networks.sana_spec import Sana
from diptych_heads.samplers.specs import Euler


GRID = {"channels": 3, "height": 2, "width": 4}
AXES = {"height": (4, 4), "width": (2, 8)}


def head_of(axis="width", spec=FlowMatching, **fields):
    height, width = AXES[axis] if axis else (2, 4)
    sizes = {"heads": 2, "head_width": 4, "cross_heads": 2, "layers": 1, "caption_width": 5}
    network = Sana(**sizes, channels=3, height=height, width=width, condition_width=5)
    torch.manual_seed(0)
    return shaken(spec(network=network, clean_latent=axis, **GRID, **fields).build()).double()


def given():
    return normal(2, 8, 3).double(), normal(2, 3, 5).double(), normal(2, 8, 3, seed=7).double()


def grid(tokens):
    return tokens.transpose(1, 2).unflatten(2, (2, 4))


def seen(head, x, t, condition, clean, axis):
    """Predict by hand: clean behind noisy, the answer for the noisy one."""
    both = torch.cat([grid(x), grid(clean)], 2 if axis == "height" else 3)
    predicted = head.network(
        both, torch.full((len(x),), t).double(), head.network.prepare(condition)
    )
    return predicted[:, :, :2, :4].flatten(2).transpose(1, 2)


@pytest.mark.parametrize("axis", AXES)
def test_the_network_sees_both_and_answers_for_the_noisy_one(axis):
    head, (target, condition, clean) = head_of(axis, drop_condition=0.0), given()
    drawn, t = normal(2, 8, 3, seed=3).double(), torch.tensor([0.3, 0.3], dtype=torch.float64)
    loss = head.loss_at(t, drawn, target, condition, None, clean)
    predicted = seen(head, 0.7 * target + 0.3 * drawn, 0.3, condition, clean, axis)
    wanted = (predicted - (drawn - target)).square().mean((1, 2))
    torch.testing.assert_close(loss, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("spec", [FlowMatching, Diffusion])
def test_the_loss_trains_the_network(spec, generator):
    head, (target, condition, clean) = head_of(spec=spec), given()
    head.loss(target, condition, None, generator, clean=clean).sum().backward()
    assert all(each.grad is not None for each in head.network.parameters())
    assert any(each.grad.abs().max() > 0 for each in head.network.parameters())


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_sampling_keeps_the_clean_one_as_it_is_in_every_prediction(axis, scale):
    head, (_, condition, clean) = head_of(axis), given()
    start = noise((8, 3), generators([1, 2]), like=condition)
    velocities = [seen(head, start, 1.0, each, clean, axis) for each in (condition, 0 * condition)]
    wanted = start - (velocities[1] + scale * (velocities[0] - velocities[1]))
    guidance = ClassifierFree(scale).build()
    made = head.sample(condition, None, generators([1, 2]), Euler(1).build(), guidance, clean=clean)
    torch.testing.assert_close(made, wanted, atol=1e-12, rtol=0)
    other = head.sample(
        condition, None, generators([1, 2]), Euler(1).build(), guidance, clean=-clean
    )
    assert (other - made).abs().max() > 1e-3


def test_without_the_clean_one():
    head, (target, condition, _) = head_of(), given()
    with pytest.raises(RequestError, match="was given none"):
        head.sample(condition, None, generators([1, 2]), Euler(1).build())
    with pytest.raises(RequestError, match="was given none"):
        head.loss(target, condition, None, torch.Generator())


def test_a_network_for_the_noisy_one_alone_does_not_fit():
    fitting = FlowMatching(network=Sana(), clean_latent="width", **GRID)
    assert (fitting.seen_height, fitting.seen_width) == (2, 8)
    assert ("both", "network.sample") in fitting.ports().inside
    assert FlowMatching(network=Sana()).seen_width is None
