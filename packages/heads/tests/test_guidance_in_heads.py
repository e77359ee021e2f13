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


LAST = torch.tensor([[False] * 4 + [True] * 2] * 3)
"""The last two tokens of a condition are a picture's."""


@pytest.mark.parametrize(
    ("count", "seeds", "mask", "null", "message"),
    [
        (0, [], None, None, "the condition has no rows"),
        (1, [], None, None, "of one sample, but the number of generators is 0"),
        (3, [1], None, None, "of 3 samples, but the number of generators is 1"),
        (2, [1, 2, 3], None, None, "of 2 samples, but the number of generators is 3"),
        (2, [1, 2], (2, 5), None, r"the mask is \[2, 5\].* has to be \[2, 6\]"),
        (2, [1, 2], None, ((2, 5, CONDITION), (2, 5)), r"negative prompts is \[2, 5, 10\]"),
        (2, [1, 2], None, ((1, 6, CONDITION), (1, 6)), r"negative prompts is \[1, 6, 10\]"),
        (2, [1, 2], None, ((2, 6, CONDITION), (2, 5)), r"mask of negative prompts is \[2, 5\]"),
    ],
)
def test_a_request_whose_pieces_are_of_other_samples_is_refused(count, seeds, mask, null, message):
    """One generator was stretched over all samples, which then began with the same noise."""
    head, condition = head_of(), normal(count, 6, CONDITION).double()
    mask = None if mask is None else torch.ones(mask, dtype=torch.bool)
    null = None if null is None else (torch.ones(null[0]), torch.ones(null[1], dtype=torch.bool))
    sampler, guidance = Euler(1).build(), ClassifierFree().build()
    with pytest.raises(RequestError, match=message):
        head.sample(condition, mask, generators(seeds), sampler, guidance, null)


def sampled(head, condition, guidance=None, steps=1, mask=None, null=None, pictures=LAST):
    seeded, sampler = generators([1, 2, 3]), Euler(steps).build()
    return head.sample(condition, mask, seeded, sampler, guidance, null, pictures)


@pytest.mark.parametrize("aware", [True, False])
def test_text_and_picture_have_scales_of_their_own(aware, monkeypatch):
    head, condition = head_of(drop_text=0.05), conditions()
    if not aware:
        monkeypatch.delattr(type(head.network), "with_null")
    picture = condition.clone()
    picture[:, :4] = 0
    mask = torch.tensor([[True] * 6, [False, True, True, True, True, True], [True] * 6])
    given = (condition, picture, 0 * condition)
    both, image, null = (sampled(head, each, None, 1, mask) for each in given)
    guidance = TextAndImage(text_scale=4.0, image_scale=1.5).build()
    found = sampled(head, condition, guidance, 1, mask)
    wanted = null + 1.5 * (image - null) + 4 * (both - image)
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_equal_scales_need_no_third_prediction():
    head, condition, calls = head_of(drop_text=0.05), conditions(), []
    head.network.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
    same = TextAndImage(text_scale=2.0, image_scale=2.0).build()
    found = sampled(head, condition, same)
    other = TextAndImage(text_scale=2.0, image_scale=1.0).build()
    sampled(head, condition, other)
    assert calls == [6, 9]
    torch.testing.assert_close(found, sampled(head, condition, ClassifierFree(2.0).build()))


def test_scales_of_one_are_the_conditional_bit_for_bit():
    head, condition = head_of(), conditions()
    guidance = TextAndImage(text_scale=1.0, image_scale=1.0).build()
    assert torch.equal(sampled(head, condition, guidance, 3), sampled(head, condition, None, 3))


def test_a_sample_without_a_picture_is_guided_by_its_text_alone():
    head, condition = head_of(drop_text=0.05), conditions()
    guidance = TextAndImage(text_scale=4.0, image_scale=1.5).build()
    found = sampled(head, condition, guidance, 2, pictures=LAST & False)
    wanted = sampled(head, condition, ClassifierFree(4.0).build(), 2)
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_nobody_knows_which_tokens_are_a_pictures():
    with pytest.raises(RequestError, match="no token of this condition is a picture's"):
        sampled(head_of(), conditions(), TextAndImage().build(), pictures=None)
    with pytest.raises(RequestError, match="no token of this one is a picture's"):
        head_of(drop_text=0.1).dropped(conditions(), torch.Generator())


def test_negative_prompts_stand_for_the_text_beside_the_picture():
    """As in diffusers: the negative prompt with the picture, and without it."""
    head, condition, away = head_of(drop_text=0.05), conditions(), normal(3, 6, CONDITION, seed=5)
    mask = torch.tensor([[True] * 6, [False, True, True, True, True, True], [True] * 6])
    led = torch.where(LAST[..., None], condition, away.double())
    nothing = torch.where(LAST[..., None], 0, away.double())
    other = torch.tensor([[False, False, True, True, True, True], [True] * 6, [True] * 5 + [False]])
    led_mask, null = torch.where(LAST, mask, other), (led, other)
    both = sampled(head, condition, None, 1, mask)
    image, none = sampled(head, led, None, 1, led_mask), sampled(head, nothing, None, 1, other)
    guidance = TextAndImage(text_scale=4.0, image_scale=1.5).build()
    found = sampled(head, condition, guidance, 1, mask, null)
    wanted = none + 1.5 * (image - none) + 4 * (both - image)
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_text_and_all_are_dropped_from_samples_of_their_own(generator):
    head, condition = head_of(drop_condition=0.2, drop_text=0.3), normal(4000, 6, CONDITION) + 9
    pictures = LAST[:1].expand(4000, -1)
    kept = head.dropped(condition, generator, pictures)
    text, shown = (kept[:, :4] != 0).flatten(1).all(1), (kept[:, 4:] != 0).flatten(1).all(1)
    assert (kept[~text][:, :4] == 0).all()
    assert (~shown).double().mean().item() == pytest.approx(0.2, abs=0.03)
    assert (~text).double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (shown | ~text).all()
    with pytest.raises(ValueError, match="more than all samples"):
        FlowMatching(network=NETWORKS["dit"], drop_condition=0.6, drop_text=0.5)


def test_pictures_alone_that_were_never_trained_are_told():
    with pytest.warns(UserWarning, match="pictures alone that was never trained"):
        sampled(head_of(), conditions(), TextAndImage().build())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampled(head_of(), conditions(), TextAndImage(text_scale=2.0, image_scale=2.0).build())


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


@pytest.mark.parametrize("spec", [ClassifierFree(), Projected(), TextAndImage()])
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
