"""Editing: pictures that a request starts from reach the prompt and the condition, each its own request's."""

import numpy as np
import pytest
import torch
from core_cases.small import model_data
from PIL import Image
from torch import nn

import diptych
from diptych.data.sample import Request, Sample
from diptych.errors import DataError, RequestError, SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Paint
from diptych.ports import Port, Ports
from diptych.shown import Album, Shown
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart, evolved, replace_part
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


REFERENCES = {"type": "reference-features", "part": "eye", "connector": {"type": "mlp-norm", "out_width": 16}}
BOTH = {"condition": {"type": "concat", "of": [{"type": "latent-queries", "count": 2}, REFERENCES]}}


class MeanHead(nn.Module):
    """The mean of a condition's real tokens, mapped to all four tokens of the target; made in a notebook."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(16, 4 * 192)

    def forward(self, condition, mask):
        mean = (condition * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.map(mean).unflatten(1, (4, 192))

    def loss(self, target, condition, mask, generator):
        return (self(condition, mask) - target).square().mean((1, 2))

    def sample(self, condition, mask, generators, sampler=None, guidance=None):
        return self(condition, mask)


def spec_of(step=None, **changes):
    data = merge(model_data(), {"generate": [{"name": "features", **(step or {})}], **changes})
    spec = structure(data, ModelSpec)
    if step is None:
        return spec
    ports = Ports(inputs={"condition": Port("b q 16"), "target": Port("b (2 2) 192")})
    torch.manual_seed(0)
    return replace_part(spec, "generate.features.head", InlinePart("head", MeanHead(), ports))


def model_of(step=None, **changes):
    return diptych.build(spec_of(step, **changes), dtype=torch.float64)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


RAGGED = [
    Request("make it red", (picture(0),)),
    "a blue square at the top left, please",
    Request("put them side by side", (picture(1), picture(2))),
    Request("x", (picture(0), picture(3), picture(0))),
]


@pytest.mark.parametrize("step", [None, BOTH, {"condition": REFERENCES}], ids=["prompt", "both", "condition"])
@torch.inference_mode()
def test_a_ragged_batch_is_its_requests_one_by_one(step):
    model = model_of(step)
    wishes = [each for each in RAGGED if isinstance(each, Request) or step != {"condition": REFERENCES}]
    together = model.features(wishes, range(len(wishes)))
    alone = torch.cat([model.features([wish], [seed]) for seed, wish in enumerate(wishes)])
    assert (together - alone).abs().max() <= 1e-9
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("step", [None, BOTH], ids=["prompt", "both"])
@torch.inference_mode()
def test_the_picture_decides_and_so_do_the_words(step):
    model = model_of(step)
    asked = [Request("a", (picture(0),)), Request("a", (picture(1),)), Request("b", (picture(0),)), "a"]
    made = model.features(asked, [0] * 4)
    for other in made[1:]:
        assert (other - made[0]).abs().max() > 1e-4


def test_references_are_the_features_behind_the_connector_laid_out_by_request():
    model = model_of({"condition": REFERENCES})
    sequences = model.painting(RAGGED, "features")
    part = model.parts.step("features")["condition"]
    seen = model.encode("eye", model.pixels("eye", [picture(index) for index in range(4)]))
    tokens = part.connector(seen)
    condition, mask = part.forward(_readout(sequences))[:2]
    assert condition.shape == (4, 12, 16)
    assert mask.sum(1).tolist() == [4, 0, 8, 12]
    torch.testing.assert_close(condition[2, :8], torch.cat([tokens[1], tokens[2]]))
    torch.testing.assert_close(condition[3], torch.cat([tokens[0], tokens[3], tokens[0]]))
    assert (condition[~mask] == 0).all()


def _readout(sequences):
    from diptych.conditions.readout import Readout

    return Readout(torch.empty(4, 0, 16), sequences.mask[:, :0], 0, {}, sequences.shown)


def test_pictures_are_encoded_once_whoever_asks(monkeypatch):
    model, calls = model_of(BOTH), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda *given: calls.append(len(given[1])) or encode(*given))
    model.edit([[picture(0)], [picture(1), picture(2)]], ["a", "b"], n=2)
    assert calls == [3]


def test_a_request_without_a_picture_paints_from_words_where_there_are_any():
    assert len(model_of(BOTH).generate(["a", "b"])) == 2
    with pytest.raises(RequestError, match="paints from pictures alone, and a request has none"):
        model_of({"condition": REFERENCES}).generate("a")


def test_edit_takes_one_or_several_of_anything():
    model = model_of(BOTH)
    one, two = picture(0), Image.fromarray(picture(1))
    single = model.edit(one, "red", seed=3)
    assert [each.size for each in single] == [(16, 16)]
    together = model.edit([one, [one, two]], ["red", "both"], n=2, seed=3)
    alone = [*model.edit(one, "red", n=2, seed=3), *model.edit([one, two], "both", n=2, seed=3)]
    for a, b in zip(together, alone, strict=True):
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1
    assert np.array_equal(single[0], alone[0])


def test_what_cannot_be_edited_is_said_plainly():
    blind = model_of(understand=None)
    assert len(blind.generate("a")) == 1
    with pytest.raises(RequestError, match="'tiny' does not paint from pictures: its spec has no `understand`"):
        blind.edit(picture(0), "red")
    with pytest.raises(RequestError, match="does not paint from pictures"):
        Paint().build()(Batch(blind, [Sample.edit("red", [picture(0)], picture(1))]), torch.Generator())
    model = model_of()
    for given, said, why in [
        ([], "red", "there is no picture to edit"),
        ([picture(0), []], ["a", "b"], "there is no picture to edit"),
        ([picture(0)], ["a", "b"], "2 instructions, but pictures for 1"),
        (picture(0), ["a", "b"], "2 instructions, but pictures for 1"),
        (picture(0), " ", "the prompt is empty"),
    ]:
        with pytest.raises(RequestError, match=why):
            model.edit(given, said)
    with pytest.raises(RequestError, match="n is 0"):
        model.edit(picture(0), "a", n=0)
    with pytest.raises(RequestError, match="batch is 0"):
        model.edit(picture(0), "a", batch=0)
    with pytest.raises(DataError, match="got str"):
        model.edit("cat.png", "a")
    with pytest.raises(RequestError, match="no step that reads prompts has any"):
        model.edit(picture(0), "a", negative="b")


def test_a_checkpoint_that_left_out_what_looks_says_so():
    model = model_of()
    model.left_out["vision.eye2"] = "another part, whose name only starts as this one's"
    assert len(model.edit(picture(0), "red")) == 1
    model.left_out["vision.eye"] = "needed only for training"
    with pytest.raises(RequestError, match=r"left out `vision.eye`"):
        model.edit(picture(0), "red")
    model.generate("a")


@pytest.mark.parametrize("step", [None, BOTH], ids=["prompt", "both"])
def test_gradients_reach_what_trains(step):
    model = model_of(step)
    model.parts.vision.requires_grad_(False)
    samples = [Sample.edit("make it red", [picture(0)], picture(1)), Sample.paint("a red square", picture(2))]
    loss = Paint().build()(Batch(model, samples), torch.Generator())["paint"]
    loss.backward()
    trained = {name for name, each in model.parts.named_parameters() if each.grad is not None and each.grad.any()}
    wanted = ["understand.connector", "backbone", "generate.features.condition", "generate.features.head"]
    wanted += ["generate.features.condition.of.1.connector"] if step else []
    for slot in wanted:
        assert any(name.startswith(slot) for name in trained), slot


def test_an_edit_sample_is_what_is_asked_and_what_is_made():
    shown, made = picture(0), picture(1)
    sample = Sample.edit("make it red", [shown], made, kind="colour")
    wish = sample.wish()
    assert isinstance(wish, Request)
    assert (wish.text, sample.facts["kind"]) == ("make it red", "colour")
    assert wish.pictures[0] is shown
    assert sample.picture_to_make() is made
    assert Sample.paint("a", made).wish() == "a"


def test_an_album_knows_pictures_by_identity():
    model = model_of()
    one, two = picture(0), picture(1)
    album = Album(model, [one, two, one])
    shown = album.shown([Request("a", (two,)), "b", Request("c", (one, two))])
    assert isinstance(shown, Shown)
    assert shown.counts == (1, 0, 2)
    seen = album.features("eye")
    assert torch.equal(shown.features("eye"), seen[[1, 0, 1]])
    assert album.shown(["a", "b"]) is None


# -- specs -------------------------------------------------------------------------------------------------------------


def problems(spec):
    with pytest.raises(SpecError) as caught:
        resolve(spec)
    return str(caught.value)


def test_sizes_follow_without_torch_modules():
    resolved = resolve(spec_of(BOTH))
    references = resolved.spec.generate[0].condition.of[1]
    assert (references.tokens, references.width, references.condition_width) == (4, 192, 16)
    assert references.connector.in_width == 192


def test_what_does_not_fit_is_said():
    def changed(**fields):
        return spec_of({"condition": {**REFERENCES, **fields}})

    assert "'ey' is not there; did you mean 'eye'?" in problems(changed(part="ey"))
    wide = {"type": "concat", "of": [{"type": "latent-queries", "count": 2}, {**REFERENCES, "connector": None}]}
    assert "by a `connector: {type: mlp-norm}`" in problems(spec_of({"condition": wide}))
    fixed = structure(model_data(generate=[{"name": "features", "condition": REFERENCES}]), ModelSpec)
    assert "varies from sample to sample" in problems(fixed)


def test_ids_are_no_features_and_only_what_writes_them_reads_them():
    ports = Ports(inputs={"image": Port("b 3 16 16")}, outputs={"codes": Port("b (2 2)")})
    ids = InlinePart("image_tokenizer", nn.Identity(), ports)
    spec = spec_of({"condition": {**REFERENCES, "part": "ids"}})
    with_ids = evolved(spec, vision={**spec.vision, "ids": ids})
    assert "'ids' makes ids of pictures, no features" in problems(with_ids)
    reading = evolved(with_ids, generate=(), decode=None, understand=evolved(spec.understand, encoder="ids"))
    assert "no generate step writes its ids after the prompt" in problems(reading)
