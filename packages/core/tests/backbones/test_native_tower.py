"""A model whose backbone reads pictures itself: alone as in a batch, and in training."""

import pytest
import torch
from core_cases.small import model_spec
from core_cases.text import with_text
from PIL import Image

from diptych import build, load
from diptych.data.sample import Sample, Turn
from diptych.errors import SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Answer


BACKBONE = {
    "type": "qwen2.5-vl",
    "width": 16,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "mlp_width": 16,
    "mrope_section": [1, 1, 2],
    "image_size": 16,
    "tower": {"width": 8, "layers": 1, "heads": 2, "mlp_width": 8, "patch_size": 4, "window": 8, "whole": [0]},
}


def spec():
    return model_spec(backbone=BACKBONE, understand={"encoder": "backbone", "connector": None})


def picture(shade):
    return Image.linear_gradient("L").resize((20, 20 + shade)).convert("RGB")


CHATS = [
    [Turn("user", (picture(0), "what is it?"))],
    [Turn("user", (picture(9), picture(3), "are these two of a kind?"))],
    [Turn("user", ("say something",))],
]


def last_states(model, chats):
    pictures = [each for turns in chats for turn in turns for each in turn.pictures()]
    tokens = model.encode("backbone", model.pixels("backbone", pictures)) if pictures else None
    length = 4
    sequences = model.sequences([model.prompts.conversation(turns, length) for turns in chats])
    with torch.no_grad():
        return model.states(sequences, tokens)[:, -1]


def test_a_conversation_does_not_depend_on_its_batch():
    model = build(spec(), dtype=torch.float64)
    together = last_states(model, CHATS)
    alone = torch.cat([last_states(model, [each]) for each in CHATS])
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-6


def test_pictures_have_positions_of_their_own():
    """With the positions of text, states after a picture would be others."""
    model = build(spec(), dtype=torch.float64)
    sequences = model.sequences([model.prompts.conversation(CHATS[0], 4)])
    tokens = model.encode("backbone", model.pixels("backbone", CHATS[0][0].pictures()))
    embeds = sequences.merge(model.parts.backbone.embed(sequences.ids), tokens, None)
    with torch.no_grad():
        plain = model.parts.backbone(embeds, sequences.mask)
    assert (plain[:, -1] - last_states(model, CHATS[:1])).abs().max() > 1e-6


def test_it_answers_and_learns_through_its_tower(tmp_path):
    model = build(with_text(spec()))
    answers = model.chat(CHATS, max_tokens=3)
    assert answers == [model.chat([each], max_tokens=3)[0] for each in CHATS]
    samples = [Sample((*turns, Turn("assistant", ("a ramp",)))) for turns in CHATS[:2]]
    Answer().build()(Batch(model, samples), torch.Generator())["answer"].backward()
    tower = model.parts.backbone.model.model.visual
    assert all(each.grad is not None for each in tower.parameters())
    plain = build(spec())
    plain.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert torch.equal(last_states(again, CHATS), last_states(plain, CHATS))


def test_a_backbone_without_eyes_is_told_so():
    with pytest.raises(SpecError, match="no eyes of its own"):
        build(model_spec(understand={"encoder": "backbone", "connector": None}))
