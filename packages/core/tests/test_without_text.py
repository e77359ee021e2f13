"""Models without a language model: they draw what a vision part gives, and say so when asked for more."""

import numpy as np
import pytest
import torch

from diptych import build, load
from diptych.costs import costs
from diptych.errors import RequestError, SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.reconstruct import ReconstructObjective
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure, unstructure
from diptych.spec.wiring import resolve


MODEL = {
    "name": "drawer",
    "vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}},
    "decode": {"of": "eye", "decoder": {"type": "unpatch", "patch_size": 8}},
}


def spec(**changes):
    return structure({**MODEL, **changes}, ModelSpec)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def problems_of(**changes):
    with pytest.raises(SpecError) as caught:
        resolve(spec(**changes))
    return {each.path: each.message for each in caught.value.problems}


def test_it_reconstructs_and_survives_saving(tmp_path):
    model = build(spec())
    made = model.reconstruct([picture(), picture(1)])
    model.save(tmp_path / "model")
    assert not (tmp_path / "model" / "tokenizer").exists()
    again = load(tmp_path / "model")
    assert again.spec == model.spec
    assert [each.tobytes() for each in again.reconstruct([picture(), picture(1)])] == [each.tobytes() for each in made]


def test_its_decoder_learns():
    from diptych.data.squares import Squares

    model = build(spec())
    samples = [Squares(image_size=16, task="paint").build().sample(index) for index in range(2)]
    objective = ReconstructObjective(1.0)
    objective.prepare(model)
    objective(Batch(model, samples), torch.Generator().manual_seed(0))["reconstruct"].backward()
    assert all(each.grad is not None for each in model.parts.decoder.parameters())


@pytest.mark.parametrize(
    "task",
    [
        lambda model: model.ask(picture(), "what is it?"),
        lambda model: model.generate("a cat"),
        lambda model: model.prompts,
        lambda model: model.tokenizer,
        lambda model: model.text_width,
    ],
)
def test_what_needs_text_is_refused(task):
    with pytest.raises(RequestError, match=r"'drawer' (does not|has no text)"):
        task(build(spec()))


def test_parts_that_need_a_language_model_are_named():
    found = problems_of(understand={"encoder": "eye"}, text={"type": "linear-readout"})
    assert found["understand"].endswith("give `backbone` and `tokenizer`, or leave `understand` out")
    assert set(found) == {"understand", "text"}


def test_half_a_language_model_is_refused():
    backbone = {"type": "plain-transformer", "width": 16, "layers": 1, "heads": 2}
    assert "the backbone needs one" in problems_of(backbone=backbone)["tokenizer"]
    assert "leave both out" in problems_of(tokenizer={"type": "bytes"})["backbone"]


def test_a_model_of_nothing_is_refused():
    assert "this model does nothing" in problems_of(decode=None)["backbone"]


def test_features_need_a_decoder_of_their_own():
    assert "features of an encoder need a decoder" in problems_of(decode={"of": "eye"})["decode"]


def test_costs_are_those_of_drawing():
    found = costs(resolve(spec()))
    assert set(found.flops) == {"image reconstructed"}
    assert found.flops["image reconstructed"] > 0
    assert set(found.parameters) == {"decode.decoder"}


def test_nothing_is_said_of_text_in_its_file():
    assert set(unstructure(spec())) == {"name", "vision", "decode"}
