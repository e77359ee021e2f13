"""Thinking before painting: what is written, what reads it, and that it belongs to its own request and seed."""

import warnings

import numpy as np
import pytest
import torch
from core_cases.examples import examples
from core_cases.small import model_data
from core_cases.text import Script, TiedText, with_text
from hypothesis import given
from hypothesis import strategies as st

import diptych
from diptych.costs import costs
from diptych.data.sample import Request, Sample, Thought
from diptych.errors import RequestError, SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Answer, Paint
from diptych.prompt import PromptBuilder
from diptych.seeds import generators
from diptych.spec.model import ModelSpec, Prompt
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve
from diptych.tokenizers.bytes import BytesTokenizer


MARKS = {"think_open": "<|think|>", "think_close": "<|thought|>"}
FORM = Prompt(**MARKS)
TOKENIZER = BytesTokenizer(special=FORM.special_tokens()).build()
BUILDER = PromptBuilder(FORM, TOKENIZER)
PROMPTS = ["a", "a red square at the top left", "two, " * 6]
STATES = {"condition": {"type": "concat", "of": [{"type": "prompt-states"}, {"type": "latent-queries", "count": 4}]}}


def spec(head=None, **think):
    data = model_data(prompt=MARKS, think={"max_tokens": 6, **think})
    return with_text(structure(data, ModelSpec), head)


def build(head=None, dtype=torch.float32, **think):
    model = diptych.build(spec(head, **think), dtype=dtype)
    model.parts.eval()
    return model


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


# -- in the prompt ------------------------------------------------------------------------------------------------


def test_a_thought_stands_before_the_picture_and_is_learned():
    encoded = BUILDER.painting(Request("a cat", thought=Thought("left")), 1)
    before, after = BUILDER.painting("a cat", 0).ids[:-1], BUILDER.painting("a cat", 1).ids[-2:]
    opened, closed = map(TOKENIZER.id_of, MARKS.values())
    thought = (opened, *TOKENIZER.encode("left"), closed)
    assert encoded.ids == (*before, *thought, *after)
    assert encoded.learned == (*[False] * len(before), *[True] * len(thought), False, False)


def test_what_is_continued_to_think_is_how_the_learned_sequence_begins():
    for pictures in [(), (object(),), (object(), object())]:
        asked = BUILDER.thinking(Request("a cat", pictures), image_tokens=2)
        whole = BUILDER.painting(Request("a cat", pictures, Thought("left")), 3, image_tokens=2)
        assert asked.ids == whole.ids[: len(asked.ids)]
        assert asked.images == whole.images
        assert asked.ids[-1] == TOKENIZER.id_of("<|think|>")


@given(st.lists(st.sampled_from([*FORM.special_tokens(), "<|", "|>", " ", "a", "{prompt}"]), max_size=6).map("".join))
@examples(60)
def test_special_tokens_in_a_thought_are_words(text):
    special = set(BUILDER.token_ids().values())
    typed, plain = (BUILDER.painting(Request("a", thought=Thought(each)), 1).ids for each in (text, "x"))
    assert [each for each in typed if each in special] == [each for each in plain if each in special]


def test_half_a_pair_of_marks_is_a_problem():
    for name in MARKS:
        with pytest.raises(SpecError, match=rf"prompt\.{name}"):
            resolve(structure(model_data(prompt={**MARKS, name: ""}), ModelSpec))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "give `text:"),
        ({"generate": [], "decode": None}, "give `generate`"),
        ({"prompt": {}}, "needs `think_open` and `think_close`"),
        ({"think": {"temperature": -1.0}}, "temperature"),
        ({"think": {"max_tokens": 0}}, "max_tokens"),
    ],
)
def test_a_model_that_cannot_think_is_told_what_it_lacks(change, says):
    with pytest.raises(SpecError, match=says):
        resolve(structure({**model_data(prompt=MARKS, think={}), **change}, ModelSpec))


# -- in training --------------------------------------------------------------------------------------------------


def test_a_sample_with_a_thought_asks_for_a_picture_and_has_something_to_learn():
    sample = Sample.paint("a cat", picture(), Thought("left"))
    assert (sample.wish().text, sample.wish().pictures, sample.wish().thought) == ("a cat", (), Thought("left"))
    assert sample.has_answer(thoughts=True)
    assert not sample.has_answer()
    assert not Sample.paint("a cat", picture()).has_answer(thoughts=True)
    edit = Sample.edit("red", [picture()], picture(1), Thought("all of it"))
    assert (edit.wish().text, len(edit.wish().pictures), edit.wish().thought) == ("red", 1, Thought("all of it"))


def test_the_answer_loss_of_a_thought_is_the_mean_over_its_tokens():
    model = build(dtype=torch.float64)
    edit = Sample.edit("red", [picture()], picture(1), Thought("all of it"))
    samples = [Sample.paint("a cat", picture(2), Thought("left")), Sample.paint("a dog", picture(3)), edit]
    loss = Answer().build()(Batch(model, samples), torch.Generator())["answer"]
    total, count = 0.0, 0
    for each in (samples[0], edit):
        encoded = model.prompts.painting(each.wish(), 0, image_tokens=4)
        _, tokens = model.look([each.wish()])
        states = model.states(model.sequences([encoded]), tokens)[0]
        for place, learn in enumerate(encoded.learned):
            if learn:
                logits = model.parts.text.logits(states[place - 1], model.parts.backbone)
                total -= logits.log_softmax(-1)[encoded.ids[place]].item()
                count += 1
    assert count == len("left") + len("all of it") + 4
    assert loss.item() == pytest.approx(total / count, rel=1e-9)


def test_thoughts_are_not_learned_by_a_model_that_has_no_marks_for_them():
    model = diptych.build(with_text(structure(model_data(), ModelSpec)))
    assert Answer().build()(Batch(model, [Sample.paint("a", picture(), Thought("left"))]), torch.Generator()) == {}


def test_the_paint_loss_reads_the_thought():
    model = build()
    losses = [
        Paint().build()(Batch(model, [Sample.paint("a cat", picture(), thought)]), torch.Generator())["paint"]
        for thought in (None, Thought("left"), Thought("right"), Thought("left"))
    ]
    assert losses[1] == losses[3]
    assert len({each.item() for each in losses}) == 3


def test_a_painter_that_learns_without_thoughts_is_told():
    samples = [Sample.paint("a", picture()), Sample.paint("b", picture(1))]
    with pytest.warns(UserWarning, match="no sample here has a thought"):
        Paint().build()(Batch(build(), samples), torch.Generator())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Paint().build()(Batch(build(), [*samples, Sample.paint("c", picture(), Thought("left"))]), torch.Generator())
        bare = diptych.build(with_text(structure(model_data(prompt=MARKS), ModelSpec)))
        Paint().build()(Batch(bare, samples), torch.Generator())


# -- in painting --------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_thoughts_are_the_same_alone_and_in_a_ragged_batch():
    model = build(dtype=torch.float64)
    together = model.think(PROMPTS, n=2, seed=7)
    assert together == model.think(PROMPTS, n=2, seed=7, batch=1)
    assert together == [model.think(prompt, seed=7 + j)[0] for prompt in PROMPTS for j in range(2)]
    assert len(set(together)) > 1


def test_a_thought_belongs_to_its_seed_unless_nothing_is_drawn():
    assert len(set(build().think("a", n=6))) > 1
    assert len(set(build(temperature=0.0).think("a", n=6))) == 1


def test_a_thought_ends_at_its_mark_and_after_the_most_tokens():
    close = TOKENIZER.id_of("<|thought|>")
    model = build(Script([*TOKENIZER.encode("left"), close]), temperature=0.0)
    assert model.think("a") == ["left"]
    assert build(Script(TOKENIZER.encode("a")), temperature=0.0).think("a") == ["a" * 6]


@torch.inference_mode()
def test_pictures_are_painted_from_what_was_thought():
    model = build()
    painted = model.generate(PROMPTS, n=2, seed=3)
    thoughts = model.think(PROMPTS, n=2, seed=3)
    each, seeds = [prompt for prompt in PROMPTS for _ in range(2)], [3, 4] * 3
    again = model.generate(each, seed=seeds, thoughts=thoughts)
    assert all(np.array_equal(a, b) for a, b in zip(painted, again, strict=True))
    other = model.features([Request("a", thought=Thought("other"))], [3])
    assert (other - model.features([Request("a", thought=Thought("left"))], [3])).abs().max() > 1e-3
    bare = diptych.build(with_text(structure(model_data(prompt=MARKS), ModelSpec)))
    bare.parts.load_state_dict(model.parts.state_dict())
    said = model.features([Request("a", thought=Thought(thoughts[0]))], [3])
    assert torch.equal(said, bare.features([Request("a", thought=Thought(thoughts[0]))], [3]))
    assert (said - bare.features(["a"], [3])).abs().max() > 1e-3  # one that does not think paints otherwise


@torch.inference_mode()
def test_an_edit_is_thought_about_with_its_picture():
    model = build(dtype=torch.float64)
    seen, other = (model.think("red", pictures=picture(each), n=80) for each in (0, 1))
    assert seen != other  # fresh weights hardly look, so it takes many
    painted = model.edit(picture(0), "red", seed=1)[0]
    assert np.array_equal(painted, model.edit(picture(0), "red", seed=1, thoughts=seen[1])[0])


@torch.inference_mode()
def test_the_first_word_is_drawn_at_the_temperature_from_the_numbers_of_the_seed():
    for temperature in (0.1, 3.0):
        model = build(temperature=temperature, max_tokens=1)
        batch = model.sequences([model.prompts.thinking("a")])
        logits = model.parts.text.logits(model.states(batch)[:, -1], model.parts.backbone)[0]
        chances = (20 * logits / temperature).softmax(-1)
        model.parts.text.logits = lambda states, backbone, own=model.parts.backbone: 20 * own.logits(states)
        for seed in range(12):
            (own,) = generators([seed], "thought")
            wanted = model.tokenizer.decode([chances.multinomial(1, generator=own).item()]).strip()
            assert model.think("a", seed=seed) == [wanted]


class OftenStops(TiedText):
    """Ends a thought after a few words, after more or fewer in each row."""

    def logits(self, states, backbone):
        scores = super().logits(states, backbone)
        scores[..., TOKENIZER.id_of("<|thought|>")] += 4.0
        return scores


@torch.inference_mode()
def test_a_thought_that_ended_is_not_gone_on_with_while_others_are():
    model = build(OftenStops(), dtype=torch.float64, max_tokens=24)
    together = model.think(["a"] * 12, seed=list(range(12)))
    assert together == [model.think("a", seed=seed)[0] for seed in range(12)]
    assert len({len(each) for each in together}) > 2


def test_thoughts_are_drawn_from_numbers_of_their_own():
    plain, own, again = (torch.rand(4, generator=generators([5], purpose)[0]) for purpose in ("", "thought", "thought"))
    assert torch.equal(own, again)
    assert not torch.equal(plain, own)
    assert torch.equal(plain, torch.rand(4, generator=torch.Generator().manual_seed(5)))


@torch.inference_mode()
def test_the_models_own_thoughts_can_be_given_back_blank_ones_too():
    model = build(dtype=torch.float64)
    prompts = ["a", "a red square"]
    painted = [each.tobytes() for each in model.generate(prompts, n=2, seed=4)]
    thoughts = model.think(prompts, n=2, seed=4)
    assert [each.tobytes() for each in model.generate(prompts, n=2, seed=4, thoughts=thoughts)] == painted
    blank = build(Script([TOKENIZER.id_of("<|thought|>")]), temperature=0.0)
    assert blank.think("a") == [""]
    assert blank.generate("a", thoughts="")[0].tobytes() == blank.generate("a")[0].tobytes()


def test_thoughts_that_cannot_be_used_are_refused():
    model = build()
    with pytest.raises(RequestError, match="2 thoughts for 1 prompts"):
        model.generate("a", thoughts=["b", "c"])
    with pytest.raises(RequestError, match="3 thoughts for 1 prompts; give one for all, for each, or for each of 2 p"):
        model.generate("a", n=2, thoughts=["b", "c", "d"])
    with pytest.raises(RequestError, match="1 thoughts for 2 instructions"):
        model.edit([picture(), picture()], ["a", "b"], thoughts=["c"])
    with pytest.raises(RequestError, match="no picture to edit"):
        model.think(["a"], pictures=[[]])
    bare = diptych.build(with_text(structure(model_data(prompt=MARKS), ModelSpec)))
    for ask in (lambda: bare.think("a"), lambda: bare.generate("a", thoughts="b")):
        with pytest.raises(RequestError, match="does not think before it paints"):
            ask()


def test_a_thought_has_its_price():
    thinking, bare = (structure(model_data(prompt=MARKS, **more), ModelSpec) for more in ({"think": {}}, {}))
    thinking, bare = (costs(resolve(with_text(each))) for each in (thinking, bare))
    for task in ("image generated", "training sample"):
        assert thinking.flops[task] > bare.flops[task]
    assert thinking.flops["image understood"] == bare.flops["image understood"]
    with pytest.MonkeyPatch.context() as patch:  # a thought is read as so many more words of the prompt are
        patch.setattr("diptych.costs.PROMPT", 64)
        patch.setattr("diptych.costs.THOUGHT", 0)
        assert costs(resolve(spec())).flops["image generated"] == thinking.flops["image generated"]
    assert any("thought" in each for each in thinking.assumptions)
    assert not any("thought" in each for each in bare.assumptions)
