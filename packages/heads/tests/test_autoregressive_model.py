"""The autoregressive head in a model: it learns to write pictures, and finds its words by name."""

import pytest
import torch
from einops import rearrange
from torch import nn

from diptych import build
from diptych.data.squares import Squares
from diptych.errors import SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.paint import PaintObjective
from diptych.ports import Port, Ports
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart
from diptych.spec.preprocess import Preprocess
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


class Shades(nn.Module):
    """Pixels <-> ids: the brightness of each quarter of a picture, in four shades."""

    def encode(self, pixels):
        grey = rearrange(pixels, "b c (h p) (w q) -> b (h w) (c p q)", h=2, w=2).mean(-1)
        return ((grey + 1) / 2 * 4).long().clamp(0, 3)

    def decode(self, ids):
        grid = rearrange(ids.float() / 2 - 0.75, "b (h w) -> b 1 h w", h=2)
        return nn.functional.interpolate(grid, size=(8, 8)).expand(-1, 3, -1, -1)


class Shown(InlinePart):
    """A tokenizer made in code, with the preprocessing that pictures need."""

    def preprocess(self):
        return Preprocess(8, 8)


def model_of(**head):
    data = {
        "name": "writer",
        "backbone": {"type": "plain-transformer", "width": 32, "layers": 1, "heads": 2},
        "tokenizer": {"type": "bytes"},
        "generate": [
            {
                "name": "ids",
                "condition": {"type": "prompt-states"},
                "target": "shades",
                "head": {"type": "autoregressive", "codes": 4, "temperature": 0, **head},
                "guidance": {"type": "classifier-free", "scale": 1.5},
            }
        ],
        "decode": {"of": "ids"},
    }
    ports = Ports(inputs={"image": Port("b 3 8 8")}, outputs={"codes": Port("b (2 2)", "ids")})
    return data, Shown("image_tokenizer", Shades(), ports)


def test_a_model_learns_to_write_pictures():
    data, part = model_of(positions="2d")
    spec = structure({**data, "vision": {"shades": part}}, ModelSpec)
    assert resolve(spec).spec.generate[0].head.height == 2
    model = build(spec)
    sets = Squares(image_size=8, task="paint").build()
    samples = [sets.sample(index) for index in range(4)]
    batch, objective = Batch(model, samples), PaintObjective(None, 1)
    optimiser = torch.optim.Adam(model.parts.parameters(), 3e-3)
    for step in range(60):
        loss = objective(batch, torch.Generator().manual_seed(step))["paint"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.3
    wanted = model.encode("shades", model.pixels("shades", batch.pictures))
    prompts = [each.turns[-2].text() for each in samples]
    out = model.features(prompts, [0, 1, 2, 3])
    assert (out == wanted).float().mean() > 0.8
    assert torch.equal(out[2:3], model.features(prompts[2:3], [2]))
    assert len(model.generate(prompts[:1], n=2)) == 2


def test_words_are_looked_up_by_name_saved_and_checked(tmp_path):
    data, part = model_of(ids="backbone", first_token="<|query_pad|>")
    data = {**data, "vision": {"shades": part}}
    data["generate"][0]["head"]["codes"] = 1
    model = build(structure(data, ModelSpec))
    own = model.tokenizer.id_of("<|query_pad|>")
    assert model.spec.generate[0].head.first_id == own
    assert model.parts.step("ids")["head"].table.first == own
    data["generate"][0]["head"]["first_id"] = own + 1
    with pytest.raises(SpecError, match=f"is {own} in the tokenizer, but {own + 1}"):
        build(structure(data, ModelSpec))
    data["generate"][0]["head"] |= {"first_token": "<|nobody|>", "first_id": None}
    with pytest.raises(SpecError, match="nobody"):
        build(structure(data, ModelSpec))
