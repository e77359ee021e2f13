"""A whole tiny BLIP3-o, written by the original code: it imports, gives the recorded numbers, and exports unchanged."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file

import diptych
from diptych.errors import CheckpointError
from diptych.families.blip3o.prompt import PROMPT
from diptych.importing.bring import import_checkpoint
from diptych.importing.send import export_checkpoint
from diptych.prompt import Encoded, Span
from diptych.seeds import generators
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure
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
    monkeypatch.setattr(head, "dropped", lambda given, *_: given * (1 - data["drop"])[:, None, None])
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


# -- models that were not imported ------------------------------------------------------------------------------------


def native(**changes):
    """A tiny BLIP3-o made here, its sizes left to rules where they can be."""
    data = {
        "name": "native",
        "backbone": {
            "type": "qwen2.5-vl", "width": 32, "layers": 1, "heads": 2, "kv_heads": 1, "mlp_width": 24, "tied": True,
            "mrope_section": [2, 3, 3], "image_size": 56,
            "tower": {"width": 16, "layers": 1, "heads": 2, "mlp_width": 8, "window": 56, "whole": [0]},
        },
        "tokenizer": {"type": "file", "path": str(DATA / "tokenizer.json")},
        "prompt": PROMPT,
        "vision": {"clip": {
            "type": "eva-clip", "hidden_width": 16, "depth": 1, "heads": 2, "mlp_width": 24, "image_size": 28,
            "patch_size": 7,
        }},
        "understand": {"encoder": "backbone"},
        "text": {"type": "next-token"},
        "generate": [{
            "name": "features",
            "condition": {"type": "latent-queries", "count": 4},
            "target": "clip",
            "head": {"type": "flow-matching", "network": {
                "type": "lumina-next", "hidden_width": 16, "layers": 1, "heads": 2, "ffn_multiple_of": 8,
            }},
        }],
    }  # fmt: skip
    return structure({**data, **changes}, ModelSpec)


def test_a_model_made_here_goes_there_and_comes_back(tmp_path):
    made = diptych.build(native())
    made.save(tmp_path / "ours")
    export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "theirs", shard=20_000)
    names = load_file(next(tmp_path.glob("theirs/model-00002-of-*.safetensors"))).keys()
    assert all(name.startswith(("model.", "visual.")) for name in names)
    assert not any(path.name == "lm_head.weight" for path in tmp_path.rglob("*"))
    import_checkpoint("blip3o", tmp_path / "theirs", tmp_path / "again", include=["vision.clip"])
    again = diptych.load(tmp_path / "again")
    before, after = made.parts.state_dict(), again.parts.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(made.features(["a red cat"], [3]), again.features(["a red cat"], [3]))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"generate": ()}, "the layout `blip3o` is for models"),
        ({"prompt": {**PROMPT, "system": "Be brief."}}, "prompt.system: Be brief. here, You are a helpful assistant."),
    ],
)
def test_what_the_layout_cannot_say_is_refused(tmp_path, changes, why):
    diptych.build(native(**changes)).save(tmp_path / "ours")
    with pytest.raises(CheckpointError) as caught:
        export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "theirs")
    assert why in str(caught.value)
    assert not (tmp_path / "theirs").exists()


def test_where_it_came_from_travels_through_training(blip3o_imported, tmp_path):
    diptych.load(blip3o_imported).save(tmp_path / "tuned")
    export_checkpoint("blip3o", tmp_path / "tuned", tmp_path / "back")
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert config["mm_projector_type"] == "mlp2x_gelu"  # nothing here has a word for it
    assert (tmp_path / "back" / "tokenizer_config.json").exists()


def test_a_checkpoint_is_exported_as_what_it_was(blip3o_imported, tmp_path):
    copy = Path(shutil.copytree(blip3o_imported, tmp_path / "copy"))
    record = copy / "origin" / "importer.json"
    record.write_text(record.read_text().replace('"blip3o"', '"another"'))
    with pytest.raises(CheckpointError, match="came from the layout `another`"):
        export_checkpoint("blip3o", copy, tmp_path / "back")
