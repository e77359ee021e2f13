"""The two ways of the data: a sample depends on its own prompt and seed, whatever is beside it."""

import numpy as np
import pytest
import torch
from core_cases.small import HF, MODEL, model_data, model_spec
from core_cases.text import Script, TiedText, with_text
from PIL import Image
from torch import nn

import diptych
from diptych.data.sample import Turn
from diptych.errors import RequestError, SpecError, UnregisteredPartError
from diptych.ports import Port, Ports
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart
from diptych.spec.structure import structure


BOTH = {"condition": {"type": "concat", "of": [{"type": "prompt-states"}, {"type": "latent-queries", "count": 4}]}}
PROMPTS = ["a", "a red square at the top left", "a blue square, " * 6]
BACKBONES = ["plain", "hf"]


def build(backbone="plain", dtype=torch.float32, **changes):
    data = merge(model_data(), HF) if backbone == "hf" else model_data()
    model = diptych.build(with_text(structure(merge(data, changes), ModelSpec)), dtype=dtype)
    model.parts.eval()
    return model


def picture(seed=0, size=16):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_features_are_the_same_alone_and_in_a_ragged_batch(backbone):
    for dtype, tolerance in [(torch.float64, 1e-9), (torch.float32, 1e-4)]:
        model = build(backbone, dtype)
        together = model.features(PROMPTS, [3, 4, 5])
        alone = torch.cat([model.features([p], [s]) for p, s in zip(PROMPTS, [3, 4, 5], strict=True)])
        assert together.dtype == dtype
        assert (together - alone).abs().max() <= tolerance
        assert (together[0] - together[1]).abs().max() > 1e-3  # prompts matter


@pytest.mark.parametrize("backbone", BACKBONES)
def test_pictures_are_the_same_alone_and_in_any_batch(backbone):
    model = build(backbone)
    together = model.generate(PROMPTS, n=2, seed=7)
    assert len(together) == 6
    small = model.generate(PROMPTS, n=2, seed=7, batch=1)
    alone = [model.generate(prompt, seed=7 + j)[0] for prompt in PROMPTS for j in range(2)]
    for a, b, c in zip(together, alone, small, strict=True):
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1
        assert np.abs(np.asarray(a, int) - np.asarray(c, int)).max() <= 1


def test_each_prompt_may_have_a_seed_of_its_own():
    model = build(BACKBONES[0])
    together = model.generate(PROMPTS[:2], seed=[3, 9])
    alone = [model.generate(PROMPTS[0], seed=3)[0], model.generate(PROMPTS[1], seed=9)[0]]
    for a, b in zip(together, alone, strict=True):
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1
    with pytest.raises(RequestError, match="1 seeds for 2 prompts"):
        model.generate(PROMPTS[:2], seed=[3])


def test_noise_belongs_to_the_seed_of_a_sample():
    from diptych.seeds import generators, noise

    like = torch.empty(0, dtype=torch.float64)
    both = noise((2, 3), generators([1, 2]), like=like)
    assert torch.equal(both[1:], noise((2, 3), generators([2]), like=like))
    assert not torch.equal(both[0], both[1])
    assert torch.equal(both.float(), noise((2, 3), generators([1, 2]), like=torch.empty(0)))


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_padding_on_the_left_changes_nothing(backbone):
    module = build(backbone, torch.float64).parts.backbone
    own = torch.randn(1, 5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alone = module(own, torch.ones(1, 5, dtype=torch.bool))
    for padding in (1, 7):
        rubbish = torch.full((1, padding, 16), 1e3, dtype=torch.float64)
        mask = torch.tensor([[False] * padding + [True] * 5])
        padded = module(torch.cat([rubbish, own], 1), mask)[:, padding:]
        assert (padded - alone).abs().max() < 1e-12
        assert module(torch.cat([rubbish, own], 1), mask).isfinite().all()


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_a_cache_gives_what_one_whole_pass_gives(backbone):
    module = build(backbone, torch.float64).parts.backbone
    embeds = torch.randn(2, 6, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * 6, [False, False] + [True] * 4])
    whole, cache = module(embeds, mask), module.new_cache()
    pieces = [module(embeds[:, a:b], mask[:, :b], cache) for a, b in [(0, 3), (3, 4), (4, 6)]]
    assert (torch.cat(pieces, 1) - whole)[mask].abs().max() < 1e-12


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_a_position_sees_none_after_it(backbone):
    module = build(backbone, torch.float64).parts.backbone
    embeds = torch.randn(1, 6, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 6, dtype=torch.bool)
    changed = embeds.clone()
    changed[:, 4] += 1
    before, after = module(embeds, mask), module(changed, mask)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().min() > 0


@pytest.mark.parametrize("backbone", BACKBONES)
def test_answers_are_the_same_alone_and_in_a_batch(backbone):
    model = build(backbone, torch.float64)
    talks = [
        [Turn("user", (picture(0), "what?"))],
        [Turn("user", ("no picture, but many more words than the others have",))],
        [Turn("user", (picture(1), "a")), Turn("assistant", ("b",)), Turn("user", ("c",))],
    ]
    together = model.chat(talks, max_tokens=12)
    assert together == [model.chat([each], max_tokens=12)[0] for each in talks]


def test_decoding_is_that_of_whole_passes():
    model = build(dtype=torch.float64)
    turns = [Turn("user", ("hello there",))]
    ids, stop = list(model.prompts.conversation(turns, 0).ids), model.prompts.stop_id()
    written = []
    for _ in range(8):
        embeds = model.parts.backbone.embed(torch.tensor([ids + written]))
        states = model.parts.backbone(embeds, torch.ones(embeds.shape[:2], dtype=torch.bool))
        written.append(int(model.parts.text.logits(states[:, -1], model.parts.backbone).argmax()))
        if written[-1] == stop:
            break
    assert model.chat([turns], max_tokens=8) == [model.tokenizer.decode(written).strip()]


def test_an_answer_ends_at_its_stop_and_after_the_most_tokens():
    spec, said = model_spec(), None
    model = diptych.build(with_text(spec))
    said = [model.tokenizer.encode(each)[0] for each in "yes"]
    model.parts.text = Script([*said, model.prompts.stop_id(), said[0]])
    assert model.ask(picture(), "?") == "yes"
    model.parts.text = Script(said)
    assert model.ask(picture(), "?", max_tokens=2) == "ye"
    model.parts.text = Script([model.prompts.stop_id()])
    assert model.ask(picture(), ["?", "!"]) == ["", ""]


def test_pictures_reach_the_answer_and_each_goes_to_its_own_place():
    model = build(dtype=torch.float64)
    one, other = picture(0), picture(1)

    def states(first, second):
        talk = [Turn("user", (first, second, "?"))]
        features = model.reading_tokens(model.encode("eye", model.pixels("eye", [first, second])))
        return model.states(model.sequences([model.prompts.conversation(talk, 4)]), features)[:, -1]

    assert torch.equal(states(one, other), states(one, other))
    assert (states(one, other) - states(other, one)).abs().max() > 1e-6


def test_the_same_spec_and_seed_make_the_same_weights_and_leave_the_global_state_alone():
    before = torch.get_rng_state()
    first, again, other = (diptych.build(model_spec(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    for name, value in first.parts.state_dict().items():
        assert torch.equal(value, again.parts.state_dict()[name])
    assert any(
        not torch.equal(a, b)
        for a, b in zip(first.parts.state_dict().values(), other.parts.state_dict().values(), strict=True)
    )


def test_reconstruction_is_decode_of_encode():
    model = build()
    (made,) = model.reconstruct([picture()])
    pixels = model.to_pixels(model.encode("eye", model.pixels("eye", [picture()])), [0])
    assert made.size == (16, 16)
    assert np.array_equal(np.asarray(made), ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0))
    assert [each.tobytes() for each in model.reconstruct(picture())] == [made.tobytes()]
    assert model.reconstruct([]) == []


def test_concatenated_conditions_read_prompt_and_queries():
    data = model_data()
    data["generate"] = [{**MODEL["generate"][0], **BOTH}]
    spec = structure(data, ModelSpec)
    import attrs

    head = InlinePart("head", nn.Linear(16, 192), Ports(inputs={"condition": Port("b q width")}), {"width": 16})
    step = attrs.evolve(spec.step("features"), head=head)
    model = diptych.build(attrs.evolve(spec, generate=(step,), decode=None), dtype=torch.float64)
    sequences = model.painting(PROMPTS[:2], "features")
    condition, mask = model.conditions(sequences, "features")
    states = model.states(sequences, queries=model.parts.step("features")["condition"].query_embeds())
    assert condition.shape[1] == sequences.ids.shape[1]
    assert torch.equal(condition, states)
    assert torch.equal(mask, sequences.mask)


# -- requests that cannot be met ----------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "  \n\t"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(RequestError, match="the prompt is empty; say what to paint"):
        build().generate(["a square", prompt])


@pytest.mark.parametrize("n", [0, -1])
def test_no_pictures_are_refused(n):
    with pytest.raises(RequestError, match=f"n is {n}, but at least 1"):
        build().generate("a square", n=n)


def test_nothing_asked_is_nothing_answered():
    model = build()
    assert model.generate([]) == []
    assert model.chat([]) == []
    assert model.ask(picture(), []) == []


def test_an_empty_question_is_refused():
    with pytest.raises(RequestError, match="empty"):
        build().chat([[Turn("user", (" ",))]])


def test_at_least_one_token_is_written():
    with pytest.raises(RequestError, match="max_tokens"):
        build().ask(picture(), "?", max_tokens=0)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_ten_thousand_words_are_refused_before_they_fill_the_memory(backbone):
    model = build(backbone)
    with pytest.raises(RequestError, match="at most 4096") as caught:
        model.generate("word " * 10_000)
    assert "shorten" in str(caught.value)
    with pytest.raises(RequestError, match="at most 4096"):
        model.ask(picture(), "word " * 10_000)


def test_a_long_prompt_that_fits_is_painted():
    assert len(build().generate("word " * 100)) == 1


def test_a_model_says_which_tasks_it_does_not_do():
    spec = structure({**model_data(), "generate": [], "decode": None}, ModelSpec)
    with pytest.raises(RequestError, match="'tiny' does not paint"):
        diptych.build(spec).generate("a")
    with pytest.raises(RequestError, match="'tiny' cannot reconstruct"):
        diptych.build(spec).reconstruct([picture()])
    with pytest.raises(RequestError, match="'tiny' does not answer"):
        diptych.build(model_spec()).ask(picture(), "?")
    blind = structure({**model_data(), "understand": None}, ModelSpec)
    with pytest.raises(RequestError, match="'tiny' does not read pictures"):
        diptych.build(with_text(blind)).ask(picture(), "?")
    with pytest.raises(RequestError, match="a prompt is text"):
        build().generate([picture()])


def test_a_question_about_several_pictures_sees_them_in_order():
    model, one, other = build(), picture(1), picture(2)
    asked = [[Turn("user", (one, other, "?"))], [Turn("user", (other, one, "?"))]]
    assert model.ask([one, other], "?") == model.chat(asked)[0]
    assert model.ask([other, one], ["?"]) == model.chat(asked)[1:]


def test_a_sampler_where_nothing_is_sampled_is_refused():
    model = build()
    head = model.parts.step("features")["head"]
    with pytest.raises(RequestError, match="deterministic"):
        head.sample(torch.zeros(1, 4, 16), None, [], sampler=object())


# -- parts made in code -------------------------------------------------------------------------------------------


def test_a_plain_module_with_ports_can_stand_in_a_spec_but_not_in_a_file(tmp_path):
    import attrs

    ports = Ports(
        inputs={"features": Port("b n given")},
        outputs={"tokens": Port("b n made")},
    )
    spec = model_spec()
    part = InlinePart("connector", nn.Linear(192, 16), ports, {"given": 192, "made": 16})
    spec = attrs.evolve(spec, understand=attrs.evolve(spec.understand, connector=part))
    model = diptych.build(with_text(spec))
    assert model.parts.connector is part.module
    assert isinstance(model.ask(picture(), "?", max_tokens=3), str)
    with pytest.raises(UnregisteredPartError, match="diptych_register_"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_sizes_of_a_part_made_in_code_are_checked():
    import attrs

    spec = model_spec()
    ports = Ports(inputs={"features": Port("b n given")}, outputs={"tokens": Port("b n made")})
    part = InlinePart("connector", nn.Linear(190, 16), ports, {"given": 190, "made": 16})
    with pytest.raises(SpecError, match="190"):
        diptych.build(attrs.evolve(spec, understand=attrs.evolve(spec.understand, connector=part)))
    with pytest.raises(AttributeError, match="give it: InlinePart"):
        _ = part.nothing


def test_a_pillow_image_and_an_array_are_the_same_picture():
    model = build()
    assert torch.equal(model.pixels("eye", [picture()]), model.pixels("eye", [Image.fromarray(picture())]))


def test_a_head_of_text_learns_by_the_tied_matrix():
    states, labels = torch.randn(3, 16), torch.tensor([1, 2, 3])
    assert TiedText().loss(states, labels, build().parts.backbone).shape == (3,)


def test_a_negative_prompt_without_guidance_is_refused():
    with pytest.raises(RequestError, match="no step that reads prompts has any"):
        build().generate("a", negative="b")
    with pytest.raises(RequestError, match="a negative prompt is empty"):
        build().generate("a", negative=" ")
    with pytest.raises(RequestError, match="2 negative prompts for 1 prompts"):
        build().generate("a", negative=["b", "c"])
