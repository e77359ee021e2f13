"""A model that writes image ids through its backbone, over a real tokenizer of pictures, from data to checkpoint."""

import json

import pytest
import torch

from diptych import build, load
from diptych.data.squares import Squares
from diptych.errors import SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.paint import PaintObjective
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


WORD = "<|query_pad|>"
MODEL = {
    "name": "writer",
    "backbone": {"type": "hf-causal-lm", "width": 16, "layers": 1, "heads": 2},
    "tokenizer": {"type": "bytes"},
    "vision": {
        "vq": {
            **{"type": "vq", "image_size": 16, "vocabulary": 11, "code_width": 4},
            **{"widths": [32, 32], "blocks": 1, "latent_width": 4},
        }
    },
    "generate": [
        {
            "name": "ids",
            "condition": {"type": "latent-queries", "count": 2},
            "target": "vq",
            "head": {"type": "autoregressive", "codes": 11, "positions": "2d"},
            "guidance": {"type": "classifier-free", "scale": 2.0},
        }
    ],
    "decode": {"of": "ids"},
}


def spec(**head):
    step = {**MODEL["generate"][0], "head": {**MODEL["generate"][0]["head"], **head}}
    return structure({**MODEL, "generate": [step]}, ModelSpec)


def test_it_learns_saves_and_writes_the_same_pictures(tmp_path):
    model = build(spec())
    head = model.spec.generate[0].head
    assert (head.height, head.width, head.condition_width) == (8, 8, 16)
    squares = Squares(image_size=16, task="paint").build()
    samples = [squares.sample(index) for index in range(3)]
    PaintObjective(None, 1)(Batch(model, samples), torch.Generator().manual_seed(0))["paint"].backward()
    step = dict(model.parts.step("ids").named_parameters())
    assert all(each.grad is not None for each in step.values())
    assert all(each.grad is None for each in model.parts.vision.parameters())
    model.parts.eval()
    ids = model.features(["a square", "another one, of a longer name"], [1, 2])
    assert ids.shape == (2, 64)
    assert torch.equal(ids[1:], model.features(["another one, of a longer name"], [2]))
    model.save(tmp_path / "model")
    assert torch.equal(load(tmp_path / "model").features(["a square"], [1]), ids[:1])
    assert model.generate("a square")[0].size == (16, 16)


def test_words_known_by_name_are_checked_on_load(tmp_path):
    words = {"ids": "backbone", "first_token": WORD, "codes": 1}
    model = build(spec(**words))
    own = model.tokenizer.id_of(WORD)
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "spec.json"
    stored = json.loads(file.read_text())
    assert stored["generate"][0]["head"]["first_id"] == own
    assert load(tmp_path / "model").parts.step("ids")["head"].table.first == own
    stored["generate"][0]["head"]["first_id"] = own - 1
    file.write_text(json.dumps(stored))
    with pytest.raises(SpecError, match=f"is {own} in the tokenizer, but {own - 1} in the spec"):
        load(tmp_path / "model")


def test_costs_of_writing_are_counted():
    from diptych.costs import costs

    found = costs(resolve(spec())).flops
    assert found["image generated"] > found["training sample"] / 3 > 0
