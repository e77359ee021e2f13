"""Every task is the same alone and in a batch: five conversations and prompts of different lengths, many pictures."""

import numpy as np
import pytest
import torch
from integration_cases import janus as janus_model

import diptych
from diptych.data.sample import Turn
from diptych.importing.bring import import_checkpoint


TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
PROMPTS = ["a cat", "at war with a whale", "x", "what a cat at what war, what whale", "a b c d e f"]


def picture(seed, height=20, width=16):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def said(role, *content):
    return Turn(role, content)


TALKS = [
    [said("user", picture(1), "what?")],
    [said("user", picture(2), picture(3, 16, 30), "which of the two is larger, and why?")],
    [said("user", "what is a cat?")],
    [said("user", picture(4), "a?"), said("assistant", "a cat"), said("user", "and this", picture(5), "?")],
    [
        said("system", "Be brief."),
        said("user", "look:", picture(6), "then", picture(7), picture(8)),
        said("assistant", "yes"),
        said("user", "why?"),
    ],
]


@pytest.fixture(scope="module")
def folders(blip3o_imported, tmp_path_factory):
    theirs = janus_model.write(janus_model.official(), tmp_path_factory.mktemp("theirs"))
    import_checkpoint("janus", theirs, tmp_path_factory.mktemp("ours") / "janus")
    return {"blip3o": blip3o_imported, "janus": next(tmp_path_factory.getbasetemp().glob("ours*/janus"))}


@pytest.fixture(scope="module", params=["blip3o", "janus"])
def path(request, folders):
    return folders[request.param]


@pytest.fixture(params=TOLERANCE, ids=["float64", "float32"])
def loaded(request, path):
    return diptych.load(path, dtype=request.param), TOLERANCE[request.param]


def last_states(model, talks):
    """The states from which the first word of each answer is chosen."""
    name = model.spec.understand.encoder
    shown = [each for talk in talks for turn in talk for each in turn.pictures()]
    tokens = model.reading_tokens(model.encode(name, model.pixels(name, shown))) if shown else None
    length = 0 if tokens is None else tokens.shape[1]
    return model.states(model.sequences([model.prompts.conversation(talk, length) for talk in talks]), tokens)[:, -1]


@torch.inference_mode()
def test_conversations(loaded):
    model, atol = loaded
    together = last_states(model, TALKS)
    alone = torch.cat([last_states(model, [talk]) for talk in TALKS])
    torch.testing.assert_close(together, alone, atol=atol, rtol=0)
    assert model.chat(TALKS, max_tokens=6) == [model.chat([talk], max_tokens=6)[0] for talk in TALKS]


@torch.inference_mode()
def test_pictures_stand_where_they_were_put(loaded):
    """Exchanging two pictures of a turn, or of two conversations, changes what is read."""
    model, _ = loaded
    one, other = picture(2), picture(3)
    pairs = [[said("user", a, b, "which?")] for a, b in ((one, other), (other, one))]
    first, second = last_states(model, pairs)
    assert (first - second).abs().max() > 1e-3


@torch.inference_mode()
def test_painting(loaded):
    model, atol = loaded
    together = model.features(PROMPTS, range(5))
    alone = torch.cat([model.features([prompt], [seed]) for seed, prompt in enumerate(PROMPTS)])
    torch.testing.assert_close(together, alone, atol=atol, rtol=0)
    if model.spec.decode:
        once = model.generate(PROMPTS, seed=[0, 1, 2, 3, 4])
        again = [model.generate(prompt, seed=seed)[0] for seed, prompt in enumerate(PROMPTS)]
        assert all(np.abs(np.subtract(a, b, dtype=int)).max() <= 1 for a, b in zip(once, again, strict=True))


@torch.inference_mode()
def test_painting_away_from_negative_prompts(loaded):
    model, atol = loaded
    away = PROMPTS[::-1]
    together = model.features(PROMPTS, range(5), away)
    rows = zip(PROMPTS, range(5), away, strict=True)
    alone = torch.cat([model.features([prompt], [seed], [no]) for prompt, seed, no in rows])
    torch.testing.assert_close(together, alone, atol=atol, rtol=0)


@torch.inference_mode()
def test_features_and_reconstruction(loaded):
    model, atol = loaded
    target = model.spec.generate[0].target
    shown = [picture(seed, 8 + seed, 12) for seed in range(5)]
    together = model.encode(target, model.pixels(target, shown))
    alone = torch.cat([model.encode(target, model.pixels(target, [each])) for each in shown])
    torch.testing.assert_close(together, alone, atol=atol, rtol=0)
    if model.spec.decode:
        once, again = model.reconstruct(shown), [model.reconstruct([each])[0] for each in shown]
        assert all(np.abs(np.subtract(a, b, dtype=int)).max() <= 1 for a, b in zip(once, again, strict=True))


def test_several_seeds_a_prompt_in_one_batch(folders):
    model = diptych.load(folders["janus"])
    many = model.generate(PROMPTS[:2], n=3, seed=[5, 9], batch=4)
    jobs = [(prompt, seed + j) for prompt, seed in ((PROMPTS[0], 5), (PROMPTS[1], 9)) for j in range(3)]
    alone = [model.generate(prompt, seed=seed)[0] for prompt, seed in jobs]
    assert all(np.abs(np.subtract(a, b, dtype=int)).max() <= 1 for a, b in zip(many, alone, strict=True))
