"""A model that thinks before it paints, with real parts: guidance, ids, training, its folder, its commands."""

import json

import numpy as np
import pytest
import torch
from integration_cases.command import run
from PIL import Image

from diptych import build, load
from diptych.data.sample import Request, Sample, Thought, thought_of
from diptych.errors import RequestError
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Answer, Paint
from diptych.prompt import PromptBuilder
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure


FLOW = {"type": "flow-matching", "network": {"type": "dit", "hidden_width": 16, "layers": 1, "heads": 2}}
MODEL = {
    "name": "thinker",
    "backbone": {"type": "hf-causal-lm", "width": 16, "layers": 2, "heads": 2, "kv_heads": 1, "mlp_width": 24},
    "tokenizer": {"type": "bytes"},
    "prompt": {"think_open": "<|think|>", "think_close": "<|thought|>"},
    "vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}},
    "understand": {"encoder": "eye", "connector": {"type": "mlp"}},
    "text": {"type": "next-token"},
    "think": {"max_tokens": 8},
    "generate": [
        {
            "name": "features",
            "condition": {"type": "concat", "of": [{"type": "prompt-states"}, {"type": "latent-queries", "count": 2}]},
            "target": "eye",
            "head": FLOW,
            "sampler": {"type": "euler", "steps": 3},
            "guidance": {"type": "classifier-free", "scale": 2.0},
        }
    ],
    "decode": {"of": "features", "decoder": {"type": "unpatch", "patch_size": 8, "hidden": 8}},
}
IDS = torch.arange(64)[None] % 11
PROMPTS = ["a", "a red square", "long, " * 9]


def spec(**changes):
    return structure({**MODEL, **changes}, ModelSpec)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("thinker") / "model"
    build(spec()).save(path)
    return path


@pytest.mark.parametrize("away", [None, ["no", "none of it", "x"]])
@torch.inference_mode()
def test_a_ragged_batch_is_its_prompts_one_by_one(away):
    model = build(spec(), dtype=torch.float64)
    together = model.features(PROMPTS, [5, 6, 7], away)
    alone = [model.features([PROMPTS[i]], [5 + i], away and [away[i]]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-9, rtol=0)


@torch.inference_mode()
def test_a_thought_is_read_by_prompt_and_queries_and_no_other_request_reads_it():
    model = build(spec(), dtype=torch.float64)
    one, two = (Request("a", thought=Thought(each)) for each in ("left", "right"))
    first = model.conditions(model.painting([one, two], "features"), "features")[0]
    assert (first[0, -2:] - first[1, -2:]).abs().max() > 1e-4  # the queries, behind it
    alone = model.conditions(model.painting([one], "features"), "features")[0]
    torch.testing.assert_close(first[:1, -2:], alone[:, -2:], atol=1e-9, rtol=0)


@torch.inference_mode()
def test_nothing_is_thought_about_what_guidance_leads_away_from(monkeypatch):
    model, seen, painting = build(spec()), [], PromptBuilder.painting
    monkeypatch.setattr(
        PromptBuilder, "painting", lambda self, wish, *a, **k: seen.append(wish) or painting(self, wish, *a, **k)
    )
    model.features([Request("a", thought=Thought("left")), "b"], [1, 2], ["no", "none"])
    assert [thought_of(wish) is None for wish in seen] == [False, False, True, True]


@torch.inference_mode()
def test_ids_are_written_behind_the_thought():
    pixels = {"type": "vq", "image_size": 16, "vocabulary": 11, "code_width": 4}
    made = spec(
        vision={**MODEL["vision"], "vq": {**pixels, "widths": [32, 32], "blocks": 1, "latent_width": 4}},
        generate=[
            {
                "name": "ids",
                "condition": {"type": "prompt-states"},
                "target": "vq",
                "head": {"type": "autoregressive", "codes": 11},
            }
        ],
        decode={"of": "ids"},
    )
    model = build(made, dtype=torch.float64)
    wish = Request("a", thought=Thought("left"))
    assert torch.equal(model.features([wish], [1]), model.features(["b", wish], [0, 1])[1:])
    left, right = (model.written([Request("a", thought=Thought(said))], "ids", IDS) for said in ("left", "right"))
    assert (left - right).abs().max() > 1e-4
    assert model.generate("a", seed=3)[0].size == (16, 16)


def test_thoughts_are_learned_and_then_written():
    torch.manual_seed(0)
    model = build(spec(think={"temperature": 0.0, "max_tokens": 8}))
    samples = [
        Sample.paint("a cat", picture(), Thought("left")),
        Sample.paint("a dog", picture(1), Thought("right")),
    ]
    optimiser = torch.optim.Adam(model.parts.backbone.parameters(), 1e-2)
    for _ in range(80):
        (loss,) = Answer().build()(Batch(model, samples), torch.Generator()).values()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert model.think(["a dog", "a cat"]) == ["right", "left"]
    assert Paint().build()(Batch(model, samples), torch.Generator())["paint"].isfinite()


def test_its_folder_keeps_how_it_thinks(folder):
    again = load(folder)
    assert again.spec.think == spec().think
    assert again.think(PROMPTS, seed=4) == build(spec()).think(PROMPTS, seed=4)


def test_a_picture_remembers_what_it_was_painted_from(folder, tmp_path, capsys):
    assert run("generate", folder, "a cat", "--n", 2, "--seed", 5, "--out", tmp_path / "own", "--json") == 0
    own = json.loads(capsys.readouterr().out)["pictures"]
    assert [row["thought"] for row in own] == load(folder).think("a cat", n=2, seed=5)
    wanted = load(folder).generate("a cat", n=2, seed=5)
    for row, same in zip(own, wanted, strict=True):
        with Image.open(row["file"]) as image:
            assert image.text["thought"] == row["thought"]
            assert np.array_equal(image.convert("RGB"), same)
    assert run("generate", folder, "a cat", "--thought", "left", "--out", tmp_path / "given") == 0
    assert "a cat  (left)" in capsys.readouterr().out
    given = load(folder).generate("a cat", thoughts="left")[0]
    with Image.open(tmp_path / "given" / "000-0.png") as image:
        assert np.array_equal(image.convert("RGB"), given)


def test_an_edit_may_be_given_a_thought(folder, tmp_path, capsys):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    assert run("edit", folder, tmp_path / "a.png", "red", "--thought", "left", "--out", tmp_path / "out", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["pictures"]
    assert row["thought"] == "left"


def test_a_thought_for_a_model_that_does_not_think_is_refused_before_its_weights_are_read(tmp_path, capsys):
    build(spec(think=None)).save(tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").write_bytes(b"no weights")
    Image.fromarray(picture()).save(tmp_path / "a.png")
    for verb in (["generate", tmp_path / "bare"], ["edit", tmp_path / "bare", tmp_path / "a.png"]):
        assert run(*verb, "a cat", "--thought", "left", "--out", tmp_path / "out") == 2
        assert "does not think before it paints" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_blank_thought_is_refused_before_a_model_is_read(tmp_path, capsys):
    assert run("generate", tmp_path / "none", "a cat", "--thought", " ", "--out", tmp_path / "out") == 2
    assert "--thought is empty" in capsys.readouterr().err


def test_a_checkpoint_without_its_backbone_cannot_think(folder, tmp_path):
    load(folder).save(tmp_path / "part", leave_out=["backbone"])
    with pytest.raises(RequestError, match="left out `backbone`"):
        load(tmp_path / "part").think("a")
