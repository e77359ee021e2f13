"""A whole tiny BLIP3-o, written by the original code: it imports, gives the recorded numbers, and exports unchanged."""

import json
from pathlib import Path

import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file

import diptych
from diptych.importing.send import export_checkpoint
from diptych.prompt import Encoded, Span
from diptych.seeds import generators
from diptych_heads.heads import flow_matching


DATA = Path(__file__).parents[1] / "data" / "blip3o"
QUERIES = 16


def recorded(name, case=""):
    start = f"{case}." if case else ""
    tensors = load_file(DATA / f"blip3o.{name}.safetensors")
    return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}


@pytest.fixture(scope="module")
def texts():
    return json.loads((DATA / "blip3o.data.json").read_text())


@pytest.fixture(scope="module")
def model(blip3o_imported):
    return diptych.load(blip3o_imported)


def ids_of(model, *rows):
    return model.sequences([Encoded(tuple(row), (False,) * len(row)) for row in rows])


def tokens(image):
    return image.flatten(2).transpose(1, 2)


def near(ours, theirs, atol, rtol=0.0):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=rtol)


# -- there and back ---------------------------------------------------------------------------------------------------


def test_what_is_exported_is_what_was_imported(blip3o_folder, blip3o_imported, tmp_path):
    sent = export_checkpoint("blip3o", blip3o_imported, tmp_path / "back")
    assert not sent.skipped
    before, after = load_file(blip3o_folder / "model.safetensors"), load_file(tmp_path / "back" / "model.safetensors")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    config = json.loads((blip3o_folder / "config.json").read_text())
    written = json.loads((tmp_path / "back" / "config.json").read_text())
    assert written.pop("gen_vision_config").items() >= config.pop("gen_vision_config").items()
    assert written == config
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "back" / name).read_bytes() == (blip3o_folder / name).read_bytes()


# -- numbers ----------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_text(model):
    data = recorded("understand")
    states = model.states(ids_of(model, *data["text_input_ids"].tolist()))
    near(model.parts.text.logits(states, model.parts.backbone), data["text_logits"], 1e-4)


@pytest.fixture(scope="module")
def asked(model):
    """The recorded questions about pictures: what was recorded, our sequences, and the tokens of the pictures."""
    data = recorded("understand")
    rows = []
    for ids, mask in zip(data["input_ids"], data["attention_mask"], strict=True):
        own = tuple(ids[mask.bool()].tolist())
        spans = [index for index, id_ in enumerate(own) if id_ == model.prompts.token_ids()["<|image_pad|>"]]
        images = (Span(spans[0], len(spans), 0),) if spans else ()
        rows.append(Encoded(own, (False,) * len(own), images))
    side = model.spec.backbone.grid
    cut = "(k h w mh mw) (c t p q) -> t k c (h mh p) (w mw q)"
    pixels = rearrange(data["pixel_values"], cut, t=2, h=side, w=side, mh=2, mw=2, c=3, p=14)[0]
    with torch.inference_mode():
        return data, model.sequences(rows), model.encode("backbone", pixels)


@torch.inference_mode()
def test_reading_pictures(model, asked):
    data, sequences, features = asked
    near(features.flatten(0, 1)[: len(data["visual_out"])], data["visual_out"], 1e-4)
    states = model.states(sequences, features)
    real = data["attention_mask"].bool()
    near(states[real], data["last_hidden"][real], 1e-4)
    near(model.parts.text.logits(states, model.parts.backbone)[real], data["logits"][real], 1e-4)


@torch.inference_mode()
def test_answers(model, asked):
    data, sequences, features = asked
    backbone, mask, written = model.parts.backbone, sequences.mask, []
    cache = backbone.new_cache()
    state = model.states(sequences, features, cache=cache)[:, -1]
    for _ in range(8):
        written.append(model.parts.text.logits(state, backbone).argmax(-1))
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        state = backbone(backbone.embed(written[-1][:, None]), mask, cache)[:, -1]
    assert torch.equal(torch.stack(written, 1), data["greedy_ids"][:, -8:])


def test_a_prompt_becomes_the_original_ids(model, texts):
    ids = model.prompts.painting("a red cat", QUERIES).ids
    assert list(ids[: -QUERIES - 1]) == texts["generate_input_ids"]
    assert ids[-QUERIES - 1] == 465
    assert set(ids[-QUERIES:]) == {467}


def test_a_training_prompt_becomes_the_original_ids(model, texts):
    for caption, row in zip(texts["captions"], texts["collated_t2i"]["input_ids"], strict=True):
        ids = model.prompts.painting(caption, QUERIES, learning=True).ids
        assert list(ids) == row[: len(ids)]
        assert set(row[len(ids) :]) <= {443}


@torch.inference_mode()
def test_conditions(model):
    data = recorded("generate", "generate_image")
    condition, mask = model.conditions(model.painting(["a red cat"], "features"), "features")
    near(condition, data["hidden"], 1e-4)
    assert mask.all()


def training_loss(model, texts, data, monkeypatch):
    with torch.no_grad():
        target = model.encode("clip", data["gen_image"])
    near(target, tokens(data["target_latents"]), 1e-4)
    condition, mask = model.conditions(model.painting(texts["captions"], "features", learning=True), "features")
    near(condition, data["hidden_at_queries"], 1e-4)
    head = model.parts.step("features")["head"]
    monkeypatch.setattr(flow_matching, "normal_like", lambda *_: tokens(data["noise"]))
    monkeypatch.setattr(head, "timesteps", type("Given", (), {"draw": lambda *_: data["timesteps"] / 1000})())
    monkeypatch.setattr(head, "dropped", lambda given, _: given * (1 - data["drop"])[:, None, None])
    return head.loss(target, condition, mask, torch.Generator()).mean()


@torch.inference_mode()
@pytest.mark.parametrize("case", ["t2i", "t2i_drop"])
def test_training_loss(model, texts, case, monkeypatch):
    data = recorded("train", case)
    near(training_loss(model, texts, data, monkeypatch), data["loss"], 0, rtol=2e-6)


def test_gradients(model, texts, monkeypatch):
    data = recorded("train", "t2i")
    step = model.parts.step("features")
    model.parts.zero_grad()
    training_loss(model, texts, data, monkeypatch).backward()
    near(step["condition"].queries.grad[None], data["grad.model.latent_queries"], 5e-6, rtol=1e-4)
    found = dict(step["head"].network.named_parameters())
    wanted = {key.partition("grad.model.dit.model.")[2]: value for key, value in data.items() if ".dit." in key}
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        near(found[name].grad, value, 5e-6, rtol=1e-4)


def sampled(model, data, condition, mask, steps, scale, monkeypatch):
    from diptych_heads.guidance.classifier_free import ClassifierFreeGuidance
    from diptych_heads.samplers.euler import EulerSampler

    first = tokens(data["init_latents"])
    monkeypatch.setattr(flow_matching, "draw_noise", lambda *_, **__: first)
    head = model.parts.step("features")["head"]
    seeds = generators(range(len(first)))
    return head.sample(condition, mask, seeds, EulerSampler(steps), ClassifierFreeGuidance(scale))


@pytest.mark.parametrize(
    ("case", "steps", "scale"),
    [("sample_b2_s5", 5, 3.0), ("sample_b2_s30", 30, 3.0), ("sample_b2_s7_g1p5", 7, 1.5)],
)
def test_sampling(model, case, steps, scale, monkeypatch):
    data, condition = recorded("generate", case), recorded("generate", "sample")["hidden"]
    made = sampled(model, data, condition, None, steps, scale, monkeypatch)
    near(made, tokens(data["out"]), 5e-5)


@torch.inference_mode()
def test_from_a_prompt_to_features(model, monkeypatch):
    data = recorded("generate", "generate_image")
    condition, mask = model.conditions(model.painting(["a red cat"], "features"), "features")
    made = sampled(model, data, condition, mask, 30, 3.0, monkeypatch)
    near(made, data["out"], 1e-4)
