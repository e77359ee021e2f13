"""Editing with real parts: dual guidance, ragged batches, what is learned, what is counted, what is refused."""

import numpy as np
import pytest
import torch

from diptych import build, load
from diptych.costs import costs
from diptych.data.sample import Request, Sample
from diptych.data.squares import Squares
from diptych.errors import RequestError, SpecError
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Paint
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.part import replace_part
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve
from diptych.training.run import train
from diptych_heads.guidance.specs import TextAndImage
from diptych_heads.heads import branches


QUERIES = {"type": "latent-queries", "count": 4, "init_std": 0.1}
REFERENCES = {"type": "reference-features", "part": "eye", "connector": {"type": "mlp-norm"}}
STEP = {
    "name": "pixels",
    "condition": {"type": "concat", "of": [QUERIES, REFERENCES]},
    "target": "eye",
    "head": {
        "type": "flow-matching",
        "network": {"type": "sana", "heads": 4, "head_width": 8, "cross_heads": 2, "layers": 2, "caption_width": 16},
        "drop_text": 0.1,
        "clean_latent": "width",
    },
    "sampler": {"type": "euler", "steps": 3},
    "guidance": {"type": "text-and-image", "text_scale": 3.0, "image_scale": 1.5},
}
MODEL = {
    "name": "editor",
    "backbone": {"type": "plain-transformer", "width": 16, "layers": 1, "heads": 2},
    "tokenizer": {"type": "bytes"},
    "vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 4}},
    "understand": {"encoder": "eye", "connector": {"type": "mlp"}},
    "generate": [STEP],
    "decode": {"of": "pixels", "decoder": {"type": "unpatch", "patch_size": 4, "hidden": 8}},
}
SQUARES = Squares(image_size=16, task="edit").build()


def spec(**step):
    return structure({**MODEL, "generate": [merge(STEP, step)]}, ModelSpec)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


WORDS = ["make it red", "x", "a very long instruction, of which nobody can tell how it will end", "é", "blue"]
FREE = {"head": {"clean_latent": None}}
SEVERAL = [
    Request("red", (picture(0),)),
    "a square",
    Request("both", (picture(1), picture(2))),
    "another, of which there is more to say",
    Request("é", (picture(3), picture(1), picture(0))),
]


@pytest.mark.parametrize("away", [None, ["a dog", "green", "nothing of all that", "w", "é"]], ids=["plain", "negative"])
@pytest.mark.parametrize("step", [{}, FREE], ids=["beside", "free"])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["float64", "float32"])
@torch.inference_mode()
def test_a_ragged_batch_is_its_edits_one_by_one(dtype, most, step, away):
    model = build(spec(**step), dtype=dtype)
    wishes = SEVERAL if step else [Request(text, (picture(seed),)) for seed, text in enumerate(WORDS)]
    together = model.features(wishes, range(5), away)
    rows = zip(wishes, range(5), away or [None] * 5, strict=True)
    alone = torch.cat([model.features([wish], [seed], no and [no]) for wish, seed, no in rows])
    assert (together - alone).abs().max() <= most
    assert (together[0] - together[2]).abs().max() > 1e-3


@torch.inference_mode()
def test_the_spec_says_three_predictions_and_each_scale_counts(monkeypatch):
    model, wish, seen = build(spec(), dtype=torch.float64), Request("make it red", (picture(0),)), []
    kept = branches.Branches._prepare

    def prepare(self):
        seen.append((self._between(), self._nothing()))
        return kept(self)

    monkeypatch.setattr(branches.Branches, "_prepare", prepare)
    with_both = model.features([wish], [0])
    (((whole, _), (shown, _)), (nothing, _)) = seen[0]
    assert whole.shape == (1, 4 + 16, 16)
    assert torch.equal(shown[:, 4:], whole[:, 4:])
    assert (shown[:, :4] == 0).all()
    assert (nothing == 0).all()
    for change in ({"text_scale": 2.0}, {"image_scale": 2.0}):
        guidance = TextAndImage(**{"text_scale": 3.0, "image_scale": 1.5, **change})
        model.spec = replace_part(model.spec, "generate.pixels.guidance", guidance)
        assert (model.features([wish], [0]) - with_both).abs().max() > 1e-3


COLOURS = {"red": (230, 30, 30), "blue": (30, 30, 230)}
MADE = {
    ("red", "invert it"): (30, 230, 230),
    ("blue", "invert it"): (230, 230, 30),
    ("red", "make it paler"): (255, 160, 160),
    ("blue", "make it paler"): (160, 160, 255),
}
DIT = {"head": {"network": {"type": "dit", "hidden_width": 32, "layers": 1, "heads": 2}, "prediction": "clean"}}


def flat(colour):
    return np.full((16, 16, 3), colour, np.uint8)


@pytest.mark.parametrize("step", [DIT, merge(DIT, FREE)], ids=["beside", "free"])
def test_an_editor_learns_to_look_at_the_picture_and_at_the_words(step):
    model = build(spec(**step), seed=1)
    model.parts.vision.requires_grad_(False)
    trained = [each for each in model.parts.parameters() if each.requires_grad]
    steps, generator = torch.optim.AdamW(trained, lr=5e-3), torch.Generator().manual_seed(0)

    def batch(colours=("red", "blue"), words=("invert it", "make it paler")):
        colour = dict(zip(("red", "blue"), colours, strict=True))
        word = dict(zip(("invert it", "make it paler"), words, strict=True))
        return Batch(
            model, [Sample.edit(word[w], [flat(COLOURS[colour[c]])], flat(made)) for (c, w), made in MADE.items()]
        )

    for _ in range(90):
        loss = Paint(draws=8).build()(batch(), generator)["paint"]
        steps.zero_grad()
        loss.backward()
        steps.step()
    with torch.no_grad():
        given = [batch(), batch(colours=("blue", "red")), batch(words=("make it paler", "invert it"))]
        right, swapped, misled = (Paint(draws=64).build()(each, torch.Generator().manual_seed(1)) for each in given)
    assert swapped["paint"] > 4 * right["paint"]
    assert misled["paint"] > 2 * right["paint"]


def test_a_recipe_trains_an_editor_that_edits(tmp_path):
    stage = {"train": ["generate", "understand", "backbone"], "mixture": {"edits": 1}, "steps": 2, "batch": 3}
    losses = {"paint": {"objective": {"type": "paint"}}}
    data = {"edits": {"type": "squares", "image_size": 16, "task": "edit"}}
    stages = [{"name": "edit", **stage, "losses": losses}]
    recipe = structure({"name": "r", "model": "editor.yaml", "data": data, "stages": stages}, Recipe)
    trained = train(recipe, tmp_path / "run", model=spec())
    made = trained.edit(SQUARES.sample(0).turns[0].pictures(), "make it red")
    again = load(tmp_path / "run" / "model").edit(SQUARES.sample(0).turns[0].pictures(), "make it red")
    assert np.array_equal(made[0], again[0])


def test_what_is_saved_edits_with_the_same_bits(tmp_path):
    model = build(spec())
    model.save(tmp_path / "model")
    before, after = (each.edit(picture(0), "red", n=2, seed=5) for each in (model, load(tmp_path / "model")))
    assert [np.asarray(each).tobytes() for each in before] == [np.asarray(each).tobytes() for each in after]
    assert before[0].size == (16, 16)


def test_an_edit_is_counted_with_its_picture():
    beside, free = (costs(resolve(spec(**step))) for step in ({}, FREE))
    assert beside.flops.keys() == {"image understood", "image edited", "training sample"}
    assert free.flops.keys() == {"image understood", "image generated", "image edited", "training sample"}
    assert free.flops["image edited"] > free.flops["image generated"]
    assert beside.flops["image edited"] > free.flops["image edited"]  # twice the grid


def test_a_picture_that_several_look_at_is_counted_once(monkeypatch):
    """The eye gives the words, the condition and the clean target, of one picture."""
    eye, seen = type(build(spec()).parts.vision["eye"]), []
    forward = eye.forward
    monkeypatch.setattr(eye, "forward", lambda self, pixels: seen.append(len(pixels)) or forward(self, pixels))
    costs(resolve(spec()))
    assert seen == [1] * 5  # read; edited; in a training sample read, looked at, and made


def test_what_guidance_cannot_tell_apart_is_refused_before_anything_is_built():
    def problems(**step):
        with pytest.raises(SpecError) as caught:
            resolve(spec(**step))
        return str(caught.value)

    assert "no token of the condition is a picture's" in problems(condition=QUERIES)
    assert "generate.pixels.head.drop_text: it keeps the pictures" in problems(condition=QUERIES, guidance=None)
    regression = problems(head={"type": "regression", "hidden_width": 16, "heads": 2})
    assert "this head does not tell pictures from text" in regression
    short = {"network": {"height": 4, "width": 4}}
    assert "`b (seen_height seen_width) channels` = `b (4 8) 48`" in problems(head=short)
    assert len(resolve(spec(head={"network": {"height": 4, "width": 8}})).rows) > 0


def test_what_needs_a_picture_says_so():
    model = build(spec())
    with pytest.raises(RequestError, match="paints beside the one picture that is changed"):
        model.generate("a red square")
    with pytest.raises(RequestError, match="but a request has 2; give `edit` exactly one"):
        model.edit([picture(0), picture(1)], "red")
    paint = Squares(image_size=16, task="paint").build().sample(0)
    with pytest.raises(RequestError, match="a request has none"):
        Paint().build()(Batch(model, [SQUARES.sample(0), paint]), torch.Generator())


VQ = {"type": "vq", "image_size": 16, "vocabulary": 11, "code_width": 4, "widths": [32, 32], "blocks": 1}
WRITER = {
    **{key: MODEL[key] for key in ("backbone", "tokenizer")},
    "name": "writer",
    "vision": {"vq": {**VQ, "latent_width": 4}},
    "understand": {"encoder": "vq"},
    "text": {"type": "next-token"},
    "generate": [
        {
            "name": "ids",
            "condition": {"type": "prompt-states"},
            "target": "vq",
            "head": {"type": "autoregressive", "codes": 11, "positions": "2d"},
            "guidance": {"type": "classifier-free", "scale": 2.0},
        }
    ],
    "decode": {"of": "ids"},
}


@torch.inference_mode()
def test_pictures_are_read_as_the_ids_that_are_written():
    model = build(structure(WRITER, ModelSpec), dtype=torch.float64)
    torch.nn.init.normal_(model.parts.step("ids")["head"].rows, generator=torch.Generator().manual_seed(0))
    ids = model.encode("vq", model.pixels("vq", [picture(0)]))
    head = model.parts.step("ids")["head"]
    read = model.painting([Request("red", (picture(0),))], "ids").tokens
    assert torch.equal(read, head.embed(ids, model.parts.backbone))
    away = ["a dog", "green", "nothing of all that", "w", "é"]
    together = model.features(SEVERAL, range(5), away)
    rows = zip(SEVERAL, range(5), away, strict=True)
    alone = torch.cat([model.features([wish], [seed], [no]) for wish, seed, no in rows])
    assert torch.equal(together, alone)
    shown = model.painting([Request("red", (picture(0),)), Request("red", (picture(7),))], "ids")
    states = model.parts.backbone(*model.opening(shown, "ids"))[:, -1]
    assert (states[0] - states[1]).abs().max() > 1e-6
    assert isinstance(model.ask(picture(0), "what?", max_tokens=2), str)


@torch.inference_mode()
def test_negative_prompts_stand_before_what_an_earlier_step_wrote():
    """A step that reads the prompt and such states has them of either prompt."""
    states = {"type": "states-of", "step": "ids"}
    changes = {"condition": {"of": [QUERIES, states]}, "head": {"drop_text": 0.0, "clean_latent": None}}
    latents = {**merge(STEP, changes), "guidance": {"type": "classifier-free", "scale": 2.0}}
    vision, steps = {**MODEL["vision"], **WRITER["vision"]}, [*WRITER["generate"], latents]
    model = build(structure({**WRITER, "vision": vision, "generate": steps, "decode": MODEL["decode"]}, ModelSpec))
    model.to(dtype=torch.float64)
    plain, away, other = (model.features(["a", "b"], [1, 2], no) for no in (None, ["x", "y"], ["x", "a long one"]))
    assert (away - plain).abs().max() > 1e-3
    assert (away[1] - other[1]).abs().max() > 1e-3
    torch.testing.assert_close(away[:1], other[:1], atol=1e-9, rtol=0)
    torch.testing.assert_close(away[1:], model.features(["b"], [2], ["y"]), atol=1e-9, rtol=0)


def test_ids_are_not_written_after_pictures_whose_positions_would_be_lost():
    tower = {"width": 8, "layers": 1, "heads": 2, "mlp_width": 8, "patch_size": 4, "window": 8, "whole": [0]}
    sizes = {"width": 16, "layers": 1, "heads": 2, "kv_heads": 1, "mlp_width": 16, "mrope_section": [1, 1, 2]}
    backbone = {"type": "qwen2.5-vl", **sizes, "image_size": 16, "tower": tower}
    model = build(structure({**WRITER, "backbone": backbone, "understand": {"encoder": "backbone"}}, ModelSpec))
    assert len(model.generate("a red square")) == 1
    with pytest.raises(RequestError, match="step 'ids' writes after the prompt, counting its words one by one"):
        model.edit(picture(0), "red")


def test_ids_are_read_without_a_connector():
    with pytest.raises(SpecError, match="as the step that writes them does it; leave `connector` out"):
        resolve(structure({**WRITER, "understand": {"encoder": "vq", "connector": {"type": "mlp"}}}, ModelSpec))


@torch.inference_mode()
def test_a_backbone_with_eyes_of_its_own_paints_from_what_it_sees(blip3o_imported):
    """BLIP3-o: a picture in the prompt reaches the queries through Qwen2.5-VL's own tower, in a ragged batch too."""
    model = load(blip3o_imported, dtype=torch.float64)
    wishes = [
        Request("make it red", (picture(0),)),
        "a red cat",
        Request("x", (picture(1),)),
        Request("both", (picture(0), picture(1))),
    ]
    together = model.features(wishes, range(4))
    alone = torch.cat([model.features([wish], [seed]) for seed, wish in enumerate(wishes)])
    assert (together - alone).abs().max() <= 1e-9
    other = model.features([Request("make it red", (picture(1),))], [0])
    assert (other - together[:1]).abs().max() > 1e-6


@torch.inference_mode()
def test_the_clean_target_is_in_the_units_of_the_head():
    model, wish = (
        build(spec(normalise={"type": "channel-statistics"}), dtype=torch.float64),
        Request("x", (picture(0),)),
    )
    seen = model.encode("eye", model.pixels("eye", [picture(0), picture(1), picture(2)]))
    statistics = model.parts.step("pixels")["normalise"]
    statistics.fit([seen])
    own = model.for_head(model.painting([wish], "pixels"), "pixels")[2]
    assert torch.equal(own["clean"], statistics(seen[:1]))
    assert own["pictures"].tolist() == [[False] * 4 + [True] * 16]
