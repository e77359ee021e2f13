"""Objectives: what they are means over, what they train, what they say when nothing is there."""

import pytest
import torch
from core_cases.small import model_data, model_spec
from core_cases.text import with_text

import diptych
from diptych.data.sample import Request, Sample, Turn
from diptych.data.squares import Squares
from diptych.errors import DataError, RequestError
from diptych.objectives.answer import noised
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Answer, Autoencode, Paint, Reconstruct
from diptych.sequences import Sequences
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure


def batch(model, *samples):
    return Batch(model, samples)


def sample(task="paint", index=0):
    return Squares(16, task).build().sample(index)


def test_the_paint_loss_trains_condition_head_and_backbone_but_no_target():
    model = diptych.build(model_spec())
    (loss,) = Paint().build()(batch(model, sample(), sample("ask"), sample(index=3)), torch.Generator()).values()
    loss.backward()
    reached = {name.split(".")[0] for name, p in model.parts.named_parameters() if p.grad is not None}
    assert reached == {"backbone", "generate"}


def test_losses_are_means_over_their_samples():
    model = diptych.build(model_spec(), dtype=torch.float64)
    for objective in (Paint().build(), Reconstruct().build()):
        one, two = (objective(batch(model, sample(index=i)), torch.Generator()) for i in (0, 1))
        both = objective(batch(model, sample(index=0), sample(index=1)), torch.Generator())
        for name in both:
            assert both[name].item() == pytest.approx((one[name] + two[name]).item() / 2, rel=1e-9)


def test_what_is_answered_before_a_picture_is_asked_for_is_learned():
    model = diptych.build(with_text(model_spec()), dtype=torch.float64)
    asked, painted = sample("ask"), sample("paint", 3)
    whole = Sample((*asked.turns, *painted.turns))
    losses = [
        Answer().build()(batch(model, each, sample("ask", 5)), torch.Generator())["answer"] for each in (asked, whole)
    ]
    torch.testing.assert_close(*losses)  # what comes later is no part of it
    assert Paint().build()(batch(model, whole), torch.Generator())


def test_a_picture_to_make_needs_a_turn_that_asks_for_it():
    made = Turn("assistant", (sample().picture(),))
    for turns in [
        (made,),
        (Turn("system", ("be brief",)), made),
        (Turn("user", ("a",)), Turn("assistant", ("b",)), made),
    ]:
        with pytest.raises(DataError, match="needs a user's turn before it"):
            Sample(turns).wish()


def test_the_answer_loss_is_the_mean_over_learned_tokens():
    model = diptych.build(with_text(model_spec()), dtype=torch.float64)
    objective = Answer().build()
    loss = objective(batch(model, sample("ask"), sample("ask", 3)), torch.Generator())["answer"]
    total, count = 0.0, 0
    for each in (sample("ask"), sample("ask", 3)):
        encoded = model.prompts.conversation(each.turns, 4)
        features = model.reading_tokens(model.encode("eye", model.pixels("eye", [each.picture()])))
        states = model.states(model.sequences([encoded]), features)[0]
        for place, learn in enumerate(encoded.learned):
            if learn:
                logits = model.parts.text.logits(states[place - 1], model.parts.backbone)
                total -= logits.log_softmax(-1)[encoded.ids[place]].item()
                count += 1
    assert loss.item() == pytest.approx(total / count, rel=1e-9)


def test_noising_changes_about_so_many_words_and_nothing_else():
    generator, chance = torch.Generator().manual_seed(0), 0.3
    ids = torch.randint(10, 90, (16, 200), generator=generator)
    learned = torch.rand(ids.shape, generator=generator) < 0.5
    before = Sequences(ids, torch.ones_like(learned), torch.where(learned, ids, -100), (), 0)
    kept = torch.tensor([10, 11, 12])
    after = noised(before, chance, kept, generator)
    assert torch.equal(after.labels, before.labels)
    changed = after.ids != ids
    may = learned & ~torch.isin(ids, kept)
    assert not changed[~may].any()
    assert set(after.ids[changed].tolist()) <= set(ids[may].tolist())
    assert changed[may].float().mean().item() == pytest.approx(chance, abs=0.03)


def test_noising_is_a_function_of_the_generator_and_of_nothing_else():
    model = diptych.build(with_text(model_spec()))
    losses = [
        Answer(noising=0.5).build()(batch(model, sample("ask")), torch.Generator().manual_seed(seed))["answer"]
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_objectives_that_find_nothing_say_nothing():
    model = diptych.build(with_text(model_spec()))
    words = Sample((Turn("user", ("hello",)),))
    for objective in (Paint(), Reconstruct(), Answer()):
        assert objective.build()(batch(model, words), torch.Generator()) == {}
    assert Autoencode("eye").build()(batch(model, words), torch.Generator()) == {}


def test_objectives_without_their_part_say_what_is_missing():
    with pytest.raises(RequestError, match="put `text:"):
        Answer().build()(batch(diptych.build(model_spec()), sample("ask")), torch.Generator())
    bare = structure({**model_data(), "decode": None, "understand": None}, ModelSpec)
    with pytest.raises(RequestError, match=r"trains `decode\.decoder`"):
        Reconstruct().build()(batch(diptych.build(bare), sample()), torch.Generator())
    with pytest.raises(RequestError, match="no `understand`"):
        Answer().build()(batch(diptych.build(with_text(bare)), sample("ask")), torch.Generator())


def test_features_are_computed_once_a_step_whoever_asks():
    model = diptych.build(model_spec())
    made = batch(model, sample(), sample(index=1))
    assert made.features("eye") is made.features("eye")


def test_a_sample_may_show_several_pictures():
    model = diptych.build(with_text(model_spec()), dtype=torch.float64)
    one, two = (sample("ask", index).picture() for index in (0, 1))
    several = Sample((Turn("user", (one, two, "which is red?")), Turn("assistant", ("the first",))))
    swapped = Sample((Turn("user", (two, one, "which is red?")), Turn("assistant", ("the first",))))
    losses = [Answer().build()(batch(model, each), torch.Generator())["answer"] for each in (several, swapped)]
    assert losses[0] != losses[1]


def test_the_picture_to_make_is_the_last_one_not_one_that_was_shown():
    model = diptych.build(model_spec())
    shown, made = (sample("ask", index).picture() for index in (0, 1))
    edit = batch(model, Sample.edit("make it another", [shown], made))
    loss = Paint().build()(edit, torch.Generator())["paint"]
    condition, mask = model.conditions(model.painting([Request("make it another", (shown,))], "features"), "features")
    target = model.targets("features", model.pixels("eye", [made]))
    assert torch.equal(loss, model.parts.step("features")["head"].loss(target, condition, mask, None).mean())
    plain = model.conditions(model.painting(["make it another"], "features"), "features")[0]
    assert (condition - plain).abs().max() > 1e-3  # what was shown is read
    assert edit.captioned() == ([], [])  # and an instruction describes neither picture
