from itertools import product

import pytest
import torch
from head_cases.oracle import Oracle
from head_cases.small import CONDITION, GRID, NETWORKS, TOKENS, normal, shaken

from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree, Projected
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.noise_schedules.specs import Cosine, Linear, ScaledLinear
from diptych_heads.samplers.specs import AdamsBashforth2, Ddim, Euler, Heun


TABLE = ScaledLinear(zero_terminal=False)
FLOWS = {name: NETWORKS[name] for name in ("lumina-next", "dit")}


def head_of(name="lumina-next", dtype=torch.float32, **fields):
    torch.manual_seed(0)
    return shaken(FlowMatching(network=NETWORKS[name], **GRID, **fields).build()).to(dtype)


def counted(head):
    """Count the network's calls and note their batch sizes."""
    calls = []
    head.network.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
    return calls


@pytest.mark.parametrize(
    ("prediction", "schedule"),
    [
        *product(("velocity", "clean", "v"), (Linear(), Linear(shift=2.0), Cosine())),
        ("noise", TABLE),
    ],
)
def test_an_oracle_has_no_loss_and_samples_the_target(prediction, schedule, generator):
    spec = FlowMatching(
        network=NETWORKS["dit"], noise_schedule=schedule, prediction=prediction, **GRID
    )
    head = spec.build()
    clean = normal(2, GRID["channels"], GRID["height"], GRID["width"]).double()
    head.network = Oracle(clean, head.noise_schedule, prediction)
    target = clean.flatten(2).transpose(1, 2)
    condition = normal(2, 3, CONDITION).double()
    assert head.loss(target, condition, None, generator).max() < 1e-20
    found = head.sample(condition, None, generators([1, 2]), AdamsBashforth2(steps=200).build())
    # a table's sigma rises like sqrt(t), which straight lines in t follow badly at the end
    assert (found - target).abs().max() < (0.1 if schedule is TABLE else 1e-3)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("prediction", ["velocity", "clean", "noise"])
@pytest.mark.parametrize("loss_on", ["prediction", "velocity"])
def test_loss_is_one_number_a_sample_and_repeatable(name, prediction, loss_on):
    head = head_of(name, prediction=prediction, loss_on=loss_on, noise_schedule=TABLE)
    target, condition = normal(5, TOKENS, GRID["channels"]), normal(5, 3, CONDITION)
    mask = torch.ones(5, 3, dtype=torch.bool)
    losses = [
        head.loss(target, condition, mask, torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert torch.equal(*losses)
    assert losses[0].shape == (5,)
    losses[0].mean().backward()
    assert all(each.grad is not None for each in head.parameters())


def test_global_random_numbers_are_left_alone(generator):
    head = head_of()
    before = torch.get_rng_state()
    head.loss(normal(2, TOKENS, 6), normal(2, 3, CONDITION), None, generator)
    head.sample(normal(2, 3, CONDITION), None, generators([1, 2]), Euler(steps=2).build())
    assert torch.equal(before, torch.get_rng_state())


def test_float64_sees_the_same_draws():
    losses = []
    for dtype in (torch.float32, torch.float64):
        head = head_of(dtype=dtype)
        own = torch.Generator().manual_seed(7)
        target, condition = normal(4, TOKENS, 6, dtype=dtype), normal(4, 3, CONDITION, dtype=dtype)
        losses.append(head.loss(target, condition, None, own).double())
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("sampler", [Heun(steps=3), AdamsBashforth2(4), Ddim(4, eta=1.0)])
@pytest.mark.parametrize(
    "guidance", [None, ClassifierFree(scale=2.0, rescale=0.3), Projected(scale=2.0, limit=1.0)]
)
def test_a_sample_does_not_depend_on_its_batch(name, sampler, guidance):
    head = head_of(name, torch.float64)
    condition = normal(5, 6, CONDITION).double()
    mask = torch.ones(5, 6, dtype=torch.bool)
    mask[3, 2:] = False
    how = (sampler.build(), guidance and guidance.build())
    together = head.sample(condition, mask, generators([10, 11, 12, 13, 14]), *how)
    alone = head.sample(condition[3:4, :2], None, generators([13]), *how)
    torch.testing.assert_close(together[3:4], alone, atol=1e-12, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.1


@pytest.mark.parametrize("spec", [ClassifierFree(scale=1.0), Projected(scale=1.0)])
def test_guidance_of_scale_one_is_the_conditional_bit_for_bit(spec):
    head, condition = head_of(), normal(3, 4, CONDITION)
    calls = counted(head)
    plain = head.sample(condition, None, generators([1, 2, 3]), Euler(steps=5).build())
    guided = head.sample(condition, None, generators([1, 2, 3]), Euler(5).build(), spec.build())
    assert torch.equal(plain, guided)
    assert calls == [3] * 10


def test_the_null_branch_only_runs_within_the_interval():
    head, condition = head_of(), normal(3, 4, CONDITION)
    calls = counted(head)
    guidance = ClassifierFree(scale=2.0, start=0.7, end=0.3).build()
    head.sample(condition, None, generators([1, 2, 3]), Euler(steps=5).build(), guidance)
    assert calls == [3, 3, 6, 6, 3]


def test_what_steps_share_is_prepared_once(monkeypatch):
    head, condition = head_of(), normal(3, 4, CONDITION)
    seen = []
    prepare = head.network.prepare
    monkeypatch.setattr(head.network, "prepare", lambda c, m: seen.append(len(c)) or prepare(c, m))
    head.sample(condition, None, generators([1, 2, 3]), Euler(9).build(), ClassifierFree().build())
    assert seen == [3]


def test_guidance_uses_the_zero_condition_under_the_same_mask():
    head, condition = head_of(dtype=torch.float64), normal(2, 4, CONDITION).double()
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    step = (generators([1, 2]), Euler(steps=1).build())
    cond = head.sample(condition, mask, generators([1, 2]), Euler(1).build())
    null = head.sample(0 * condition, mask, generators([1, 2]), Euler(1).build())
    guided = head.sample(condition, mask, *step, ClassifierFree(scale=3.0).build())
    torch.testing.assert_close(guided, null + 3 * (cond - null), atol=1e-10, rtol=0)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_of_dropped_conditions(share, generator):
    head = head_of(drop_condition=share)
    kept = head.dropped(normal(4000, 2, 3) + 9, generator)
    zero = (kept == 0).flatten(1)
    assert torch.equal(zero.any(dim=1), zero.all(dim=1))
    assert zero.all(dim=1).float().mean() == pytest.approx(share, abs=0.03)


def test_state_is_float32_under_a_short_network(generator):
    head = head_of(dtype=torch.bfloat16)
    condition = normal(2, 3, CONDITION, dtype=torch.bfloat16)
    states = []
    sampler = Euler(steps=3).build()
    inner = sampler.sample

    class Watched:
        def sample(self, velocity, noise):
            return inner(velocity, noise, lambda i, t, x: states.append(x.dtype))

    out = head.sample(condition, None, generators([1, 2]), Watched())
    assert states == [torch.float32] * 3
    assert out.dtype == torch.float32
    loss = head.loss(normal(2, TOKENS, 6, dtype=torch.bfloat16), condition, None, generator)
    assert loss.dtype == torch.float32


def test_learns_two_pictures():
    """Conditions A and B mean targets A and B; after a short training, sampling finds them."""
    torch.manual_seed(0)
    head = FlowMatching(network=NETWORKS["lumina-next"], **GRID).build()
    targets, conditions = normal(2, TOKENS, 6), normal(2, 3, CONDITION, seed=1)
    optimiser = torch.optim.Adam(head.parameters(), 3e-3)
    own, pick = torch.Generator().manual_seed(0), torch.arange(32) % 2
    for _ in range(150):
        loss = head.loss(targets[pick], conditions[pick], None, own).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    how = (generators([5, 6]), AdamsBashforth2(steps=12).build(), ClassifierFree(2.0).build())
    found = head.sample(conditions, None, *how)
    right = (found - targets).square().mean()
    wrong = (found - targets.flip(0)).square().mean()
    assert right < 0.2
    assert wrong > 5 * right


def test_saved_and_loaded_bit_for_bit():
    head, other = head_of(), FlowMatching(network=NETWORKS["lumina-next"], **GRID).build()
    other.load_state_dict(head.state_dict())
    condition = normal(2, 4, CONDITION)
    found = [
        each.sample(condition, None, generators([1, 2]), Euler(3).build()) for each in (head, other)
    ]
    assert torch.equal(*found)
