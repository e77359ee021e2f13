"""Guidances that remember, that tell text and picture apart, and that cannot do anything."""

import warnings

import pytest
import torch
from head_cases.small import CONDITION, GRID, NETWORKS, normal, shaken

from diptych.errors import RequestError
from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree, Projected, TextAndImage
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.samplers.specs import Euler


def head_of(**fields):
    torch.manual_seed(0)
    return shaken(FlowMatching(network=NETWORKS["dit"], **GRID, **fields).build()).double()


def conditions():
    return normal(3, 6, CONDITION).double()


def sampled(head, condition, guidance=None, steps=1, mask=None, null=None):
    seeded = generators([1, 2, 3])
    return head.sample(condition, mask, seeded, Euler(steps).build(), guidance, null)


@pytest.mark.parametrize("aware", [True, False])
def test_text_and_picture_have_scales_of_their_own(aware, monkeypatch):
    head, condition = head_of(), conditions()
    if not aware:
        monkeypatch.delattr(type(head.network), "with_null")
    picture = condition.clone()
    picture[:, :4] = 0
    mask = torch.tensor([[True] * 6, [False, True, True, True, True, True], [True] * 6])
    given = (condition, picture, 0 * condition)
    both, image, null = (sampled(head, each, None, 1, mask) for each in given)
    guidance = TextAndImage(text_scale=4.0, image_scale=1.5, image_tokens=2).build()
    found = sampled(head, condition, guidance, 1, mask)
    wanted = null + 1.5 * (image - null) + 4 * (both - image)
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_equal_scales_need_no_third_prediction():
    head, condition, calls = head_of(), conditions(), []
    head.network.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
    same = TextAndImage(text_scale=2.0, image_scale=2.0, image_tokens=2).build()
    found = sampled(head, condition, same)
    other = TextAndImage(text_scale=2.0, image_scale=1.0, image_tokens=2).build()
    sampled(head, condition, other)
    assert calls == [6, 9]
    torch.testing.assert_close(found, sampled(head, condition, ClassifierFree(2.0).build()))


def test_scales_of_one_are_the_conditional_bit_for_bit():
    head, condition = head_of(), conditions()
    guidance = TextAndImage(text_scale=1.0, image_scale=1.0, image_tokens=2).build()
    assert torch.equal(sampled(head, condition, guidance, 3), sampled(head, condition, None, 3))


def test_a_condition_of_picture_tokens_only():
    guidance = TextAndImage(image_tokens=6).build()
    with pytest.raises(RequestError, match="apart"):
        sampled(head_of(), conditions(), guidance)


@pytest.mark.parametrize(("momentum", "parallel", "limit"), [(-0.5, 0.0, 0.3), (0.25, 1.0, 0.0)])
def test_momentum_is_that_of_diffusers(momentum, parallel, limit):
    home = pytest.importorskip("diffusers.guiders.adaptive_projected_guidance")
    spec = Projected(scale=4.0, parallel=parallel, limit=limit, momentum=momentum)
    guidance, buffer = spec.build().for_one_call(), home.MomentumBuffer(momentum)
    for step in range(4):
        both, null = normal(1, 4, 5, seed=step), normal(1, 4, 5, seed=9 + step)
        theirs = home.normalized_guidance(
            both, null, 3.0, buffer, parallel, limit * 20**0.5, use_original_formulation=True
        )
        torch.testing.assert_close(guidance.combine(both, null, 0.5), theirs, atol=1e-5, rtol=1e-5)


def test_momentum_starts_anew_with_each_call():
    head, condition = head_of(), conditions()
    guidance = Projected(scale=3.0, momentum=-0.5).build()
    first, again = (sampled(head, condition, guidance, 4) for _ in range(2))
    assert torch.equal(first, again)
    without = sampled(head, condition, Projected(scale=3.0).build(), 4)
    assert (first - without).abs().max() > 1e-3


@pytest.mark.parametrize("spec", [ClassifierFree(), Projected(), TextAndImage(image_tokens=1)])
def test_a_null_condition_cannot_be_guided(spec):
    condition = conditions()
    condition[1] = 0
    with pytest.raises(RequestError, match="sample 1 is all zeros"):
        sampled(head_of(), condition, spec.build())
    sampled(head_of(), condition, ClassifierFree(scale=1.0).build())


def test_a_null_that_was_never_trained_is_told():
    with pytest.warns(UserWarning, match="never trained"):
        sampled(head_of(drop_condition=0.0), conditions(), ClassifierFree().build())


def test_an_interval_between_two_steps_is_told():
    guidance, head = ClassifierFree(scale=2.0, start=0.55, end=0.51).build(), head_of()
    with pytest.warns(UserWarning, match="no step"):
        found = sampled(head, conditions(), guidance, 4)
    assert torch.equal(found, sampled(head, conditions(), None, 4))


def test_guidance_that_acts_is_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for guidance in (ClassifierFree(2.0), ClassifierFree(1.0), Projected(momentum=-0.5)):
            sampled(head_of(), conditions(), guidance.build(), 2)


@pytest.mark.parametrize("network", ["dit", "lumina-next"])
def test_negative_prompts_stand_in_the_place_of_the_null_condition(network):
    torch.manual_seed(0)
    head = shaken(FlowMatching(network=NETWORKS[network], **GRID).build()).double()
    condition, away = conditions(), normal(3, 6, CONDITION).double().flip(0)
    mask = torch.tensor([[True] * 6, [False, True, True, True, True, True], [True] * 6])
    null = (away, mask.flip(0))
    guidance = ClassifierFree(scale=3.0).build()
    plain = sampled(head, condition, None, 1, mask)
    led = sampled(head, away, None, 1, mask.flip(0))
    found = sampled(head, condition, guidance, 1, mask, null)
    torch.testing.assert_close(found, led + 3 * (plain - led), atol=1e-10, rtol=0)


@pytest.mark.parametrize("guidance", [None, ClassifierFree(scale=1.0).build()])
def test_negative_prompts_that_cannot_act_are_refused(guidance):
    null = (conditions(), torch.ones(3, 6, dtype=torch.bool))
    with pytest.raises(RequestError, match="act through guidance"):
        head_of().sample(
            conditions(), None, generators([1, 2, 3]), Euler(1).build(), guidance, null
        )
