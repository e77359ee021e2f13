from itertools import product

import pytest
import torch
from attrs import evolve
from head_cases.oracle import Oracle
from head_cases.properties import examples
from head_cases.small import CONDITION, GRID, NETWORKS, TOKENS, normal, shaken
from hypothesis import given
from hypothesis import strategies as st

from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree
from diptych_heads.heads.diffusion_spec import Diffusion
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.mixing import Mixing
from diptych_heads.networks.mlp_spec import Mlp
from diptych_heads.noise_schedules.specs import Cosine, DdpmLinear, Linear, ScaledLinear
from diptych_heads.predictions import to_clean, training_target
from diptych_heads.samplers.specs import Ddim, DpmSolver2M
from diptych_heads.snr_weights import min_snr_weight


TABLE = ScaledLinear(zero_terminal=False)
SCHEDULES = [Linear(), Cosine(), DdpmLinear(), TABLE]


@examples
@given(
    schedule=st.sampled_from(SCHEDULES),
    t=st.floats(0.05, 0.95),
    kind=st.sampled_from(["v", "noise", "clean", "velocity"]),
    limit=st.floats(0.1, 20),
)
def test_weights_count_errors_of_the_target_by_their_ratio(schedule, t, kind, limit):
    """min(SNR, limit) times the squared error of the clean target, whatever is predicted."""
    clean, noise = normal(2, 3, 4, seed=1).double(), normal(2, 3, 4, seed=2).double()
    mixing = Mixing.at(schedule.build(), torch.tensor([t, 1 - t]).double(), dims=3)
    x = mixing.mix(clean, noise)
    right = training_target(kind, clean, noise, mixing)
    wrong = right + normal(2, 3, 4, seed=3)
    off = to_clean(kind, wrong, x, mixing) - to_clean(kind, right, x, mixing)
    ratio = (mixing.alpha / mixing.sigma).square().clamp(max=limit)
    weighted = min_snr_weight(kind, mixing, limit) * (wrong - right).square()
    torch.testing.assert_close(weighted, ratio * off.square())


@pytest.mark.parametrize("kind", ["v", "noise", "clean"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_weights_are_finite_at_both_ends(kind, schedule):
    mixing = Mixing.at(schedule.build(), torch.tensor([0.0, 1.0]), dims=3)
    weight = min_snr_weight(kind, mixing, 5.0)
    assert torch.isfinite(weight).all()
    assert (weight >= 0).all()
    assert weight.max() <= 5.0


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), DdpmLinear()])
def test_errors_of_the_noise_count_whole_up_to_pure_noise(schedule):
    """min(1, limit / SNR) is 1 wherever there is more noise than the limit allows."""
    mixing = Mixing.at(schedule.build(), torch.tensor([0.99, 0.9999, 1 - 2**-24, 1.0]), dims=1)
    assert (min_snr_weight("noise", mixing, 5.0) == 1).all()


@pytest.mark.parametrize(
    ("kind", "schedule"),
    [
        *product(("v", "clean"), (Cosine(), ScaledLinear())),
        ("noise", TABLE),
    ],
)
def test_an_oracle_has_no_loss_and_samples_the_target(kind, schedule, generator):
    spec = Diffusion(
        network=NETWORKS["dit"], noise_schedule=schedule, prediction=kind, snr_limit=None, **GRID
    )
    head = spec.build()
    clean = normal(2, GRID["channels"], GRID["height"], GRID["width"]).double()
    head.network = Oracle(clean, head.noise_schedule, kind)
    target = clean.flatten(2).transpose(1, 2)
    condition = normal(2, 3, CONDITION).double()
    assert head.loss(target, condition, None, generator).max() < 1e-20
    for sampler in (DpmSolver2M(steps=40), Ddim(steps=40, eta=1.0)):
        found = head.sample(condition, None, generators([1, 2]), sampler.build())
        assert (found - target).abs().max() < 1e-3


@pytest.mark.parametrize("schedule", [Linear(), Linear(shift=2.0), Cosine(), DdpmLinear()])
@pytest.mark.parametrize("spec", [Diffusion, FlowMatching])
def test_noise_is_not_predicted_where_there_is_nothing_else(spec, schedule):
    """The network's input would be its answer, and its error the target."""
    fields = {"network": NETWORKS["dit"], "noise_schedule": schedule}
    with pytest.raises(ValueError, match=r"take the prediction v, or a table .*zero_terminal"):
        spec(prediction="noise", **fields)
    assert spec(prediction="v", **fields)
    assert evolve(spec(**fields), prediction="noise", noise_schedule=TABLE)


def test_without_a_limit_it_is_a_flow_of_the_same_prediction():
    pieces = {"network": NETWORKS["dit"], "prediction": "noise", "noise_schedule": TABLE, **GRID}
    losses = []
    for spec in (Diffusion(snr_limit=None, **pieces), FlowMatching(**pieces)):
        torch.manual_seed(0)
        head, own = shaken(spec.build()), torch.Generator().manual_seed(1)
        losses.append(head.loss(normal(4, TOKENS, 6), normal(4, 3, CONDITION), None, own))
    assert torch.equal(*losses)


def test_a_limit_weighs_the_loss():
    spec = Diffusion(network=NETWORKS["dit"], prediction="noise", noise_schedule=TABLE, **GRID)
    head = shaken(spec.build())
    losses = []
    for head.snr_limit in (None, 0.5):
        own = torch.Generator().manual_seed(1)
        losses.append(head.loss(normal(9, TOKENS, 6), normal(9, 3, CONDITION), None, own))
    t = head.timesteps.draw(9, torch.Generator().manual_seed(1))
    ratio = (head.noise_schedule.alpha(t) / head.noise_schedule.sigma(t)).square()
    torch.testing.assert_close(losses[1], losses[0] * (0.5 / ratio).clamp(max=1))


def test_learns_two_pictures_token_by_token():
    """Under the `mlp` network each token is made from its own condition token."""
    torch.manual_seed(0)
    network = Mlp(hidden_width=64, layers=2, condition_width=CONDITION, **GRID)
    head = Diffusion(network=network, noise_schedule=Cosine(), **GRID).build()
    targets, conditions = normal(2, TOKENS, 6), normal(2, TOKENS, CONDITION, seed=1)
    optimiser = torch.optim.Adam(head.parameters(), 3e-3)
    own, pick = torch.Generator().manual_seed(0), torch.arange(32) % 2
    for _ in range(200):
        loss = head.loss(targets[pick], conditions[pick], None, own).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    how = (generators([5, 6]), DpmSolver2M(steps=12).build(), ClassifierFree(1.5).build())
    found = head.sample(conditions, None, *how)
    right = (found - targets).square().mean()
    wrong = (found - targets.flip(0)).square().mean()
    assert right < 0.2
    assert wrong > 5 * right


@pytest.mark.parametrize("limit", [0.0, -1.0])
def test_limits_that_are_none(limit):
    with pytest.raises(ValueError, match="snr_limit"):
        Diffusion(network=NETWORKS["dit"], snr_limit=limit)
