"""The SigLIP2 -> SANA decoder in both layouts: it imports, gives the recorded numbers, trains, exports unchanged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from safetensors.torch import load_file

import diptych
from diptych.errors import RequestError
from diptych.importing.bring import import_checkpoint
from diptych.importing.send import export_checkpoint
from diptych.seeds import generators
from diptych.spec.model import ModelSpec
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure
from diptych.training.run import train
from diptych_heads.heads import flow_matching


DATA = Path(__file__).parents[1] / "data" / "siglip2_sana"
LAYOUTS = ("released", "trainer")


def recorded(name):
    return load_file(DATA / f"{name}.cases.safetensors")


def near(ours, theirs, atol, rtol=0.0):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=rtol)


def tokens(grid):
    return rearrange(grid, "b c h w -> b (h w) c")


def pictures(count):
    """Make noise of several sizes and aspects."""
    sizes = [(70, 64), (64, 90), (33, 47), (64, 64), (120, 80)][:count]
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


@pytest.fixture(scope="module")
def models(sana_imported):
    return {layout: diptych.load(folder) for layout, folder in sana_imported.items()}


@pytest.fixture(scope="module")
def double(sana_imported):
    return diptych.load(sana_imported["released"], dtype=torch.float64)


# -- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_exported_is_what_was_imported(sana_folders, sana_imported, layout, tmp_path):
    sent = export_checkpoint("siglip2-sana", sana_imported[layout], tmp_path / "back")
    before = load_file(sana_folders[layout] / "model.safetensors")
    after = load_file(tmp_path / "back" / "model.safetensors")
    lost = before.keys() - after.keys()
    assert not after.keys() - before.keys()
    assert all(torch.equal(after[name], before[name]) for name in after)
    assert lost == {name for name in sent.skipped if not name.startswith("decode")}
    unused = ("encoder.layers.2.", "post_layernorm.", "head.")
    assert {name.split("vision_model.")[1].startswith(unused) for name in lost} == {True}
    assert (tmp_path / "back" / "config.json").read_bytes() == (sana_folders[layout] / "config.json").read_bytes()


def test_a_config_that_says_only_what_is_known_of_the_released_one(tmp_path):
    """It has no sections: sizes come off the tensors, the rest is as in the released networks, and so is the export."""
    from diptych.families.siglip2_sana.importer import Siglip2Sana
    from diptych.importing.bring import read_foreign
    from diptych.importing.facts import TensorFacts
    from diptych.importing.importer import Foreign
    from diptych.importing.plan import backwards, make_plan
    from diptych.importing.send import comparable
    from diptych.importing.wanted import wanted_tensors
    from diptych.spec.files import read_spec
    from diptych.spec.wiring import resolve

    importer, config = Siglip2Sana(), {"num_pooled_tokens": 64, "anything": "else"}
    named = resolve(read_spec("siglip2-sana")).spec
    wanted = wanted_tensors(named)
    back = make_plan(backwards(importer.rules(Foreign(config, {}))), wanted, None)
    assert not back.problems
    assert importer.config(named, config) == config
    foreign = Foreign(config, {each.name: TensorFacts("BF16", each.facts.shape) for each in back.made}, tmp_path)
    assert importer.layout(foreign) == "released"
    spec = resolve(read_foreign(importer, foreign, tmp_path)).spec
    same = [
        {k: v for k, v in comparable(importer.settled(each)).items() if ".weights" not in k} for each in (spec, named)
    ]
    assert same[0] == same[1]
    plan = make_plan(importer.rules(foreign), foreign.tensors, wanted_tensors(spec))
    assert not plan.problems
    assert len(plan.made) == len(wanted)


def test_parameters_of_the_named_spec():
    from diptych.assembly import Assembly
    from diptych.spec.files import read_spec
    from diptych.spec.wiring import resolve

    with torch.device("meta"):
        parts = Assembly(resolve(read_spec("siglip2-sana")).spec)

    def count(path):
        return sum(each.numel() for each in parts.get_submodule(path).parameters())

    # SANA 1.6B and its connector, 1152 -> 2304 -> 2304; DC-AE f32c32; so400m without its last layer, norm and pooling
    assert count("decode.decoder.network.transformer") == 1_604_462_752
    assert count("decode.decoder.network.connector") == (1152 + 1) * 2304 + (2304 + 1) * 2304 + 2304
    assert count("decode.decoder.autoencoder") == 312_250_275
    assert count("vision.siglip") == 398_292_640


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@torch.inference_mode()
def test_features(models, layout):
    data = recorded("sana_decoder")
    near(models[layout].encode("siglip", data["enc.image"]), data["enc.pooled"], 1e-4)


@torch.inference_mode()
def test_features_in_float64(double):
    data = recorded("sana_decoder")
    near(double.encode("siglip", data["enc.image"].double()), data["enc.pooled_f64"], 1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_prediction_and_its_gradients(models, layout):
    data, network = recorded("sana_decoder"), models[layout].parts.decoder.network
    x, z = data["sana.x"].requires_grad_(), data["enc.pooled"].requires_grad_()
    out = network(x, data["sana.timestep"] / 1000, network.prepare(z))
    near(network.connector(z), data["connector.out"], 1e-5)
    near(out, data["sana.out"], 2e-5, 1e-5)
    named = [key.removeprefix("sana.grad.") for key in data if key.startswith("sana.grad.")]
    own = dict(network.transformer.named_parameters())
    made = torch.autograd.grad(out.square().mean(), [x, z, *(own[name] for name in named)])
    for ours, key in zip(made, ["grad_x", "grad_z", *(f"grad.{name}" for name in named)], strict=True):
        near(ours, data[f"sana.{key}"], 1e-6, 1e-4)


@torch.inference_mode()
def test_one_prediction_in_float64(double):
    data, network = recorded("sana_decoder"), double.parts.decoder.network
    context = network.prepare(data["enc.pooled_f64"])
    out = network(data["sana.x"].double(), data["sana.timestep"].double() / 1000, context)
    # the original sums attention in float32, and the sinusoid of the time has float32 frequencies
    near(out, data["sana.out_f64_asis"], 1e-5)


@torch.inference_mode()
def test_autoencoder(models):
    data, coder = recorded("sana_decoder"), models["released"].parts.decoder.autoencoder
    near(coder.raw_latents(data["vae.x"]), data["vae.latent"], 5e-5)
    near(coder.raw_pixels(data["vae.latent"]), data["vae.dec"], 5e-5)


@torch.inference_mode()
def test_null_is_a_black_picture(models):
    for model in models.values():
        model.show_black()
        near(model.parts.decoder.null, recorded("sana_decoder")["dpm_s5.z_null_then_cond"][0], 1e-4)


def drawn(model, data, case, monkeypatch, steps):
    """Draw the recorded features from the recorded noise: -> our latents before decoding, and pixels."""
    from attrs import evolve

    decoder = model.parts.decoder
    monkeypatch.setattr(decoder, "sampler", evolve(decoder.sampler, steps=steps))
    monkeypatch.setattr(flow_matching, "draw_noise", lambda *_, **__: tokens(data[f"{case}.init_latents"]))
    made = {}
    decode = decoder.autoencoder.decode
    monkeypatch.setattr(decoder.autoencoder, "decode", lambda x: made.update(x=x) or decode(x))
    features = model.encode("siglip", recorded("sana_decoder")["enc.image"])
    pixels = model.to_pixels(features, [0, 1])
    return made["x"], pixels


@pytest.mark.parametrize("steps", [5, 20])
@torch.inference_mode()
def test_pictures_as_released(models, steps, monkeypatch):
    data = recorded("sana_decoder")
    latents, pixels = drawn(models["released"], data, f"dpm_s{steps}", monkeypatch, steps)
    near(latents, tokens(data[f"dpm_s{steps}.final_latents"]), 2e-4)
    near((pixels / 2 + 0.5).clamp(0, 1), data[f"dpm_s{steps}.image01"], 2e-4)


@pytest.mark.parametrize("steps", [5, 30])
@torch.inference_mode()
def test_pictures_of_the_trainer(models, steps, monkeypatch):
    data = recorded("sana_recon_branch")
    latents, pixels = drawn(models["trainer"], data, f"euler_s{steps}", monkeypatch, steps)
    near(latents, tokens(data[f"euler_s{steps}.final_latents"]), 2e-4)
    whole = ((pixels / 2 + 0.5) * 255).round().permute(0, 2, 3, 1)
    assert (whole - data[f"euler_s{steps}.image_u8"].float()).abs().max() <= 1


def test_training_loss(models, monkeypatch):
    data = {key.removeprefix("train."): value for key, value in recorded("sana_recon_branch").items()}
    model = models["trainer"]
    decoder = model.parts.decoder
    with torch.no_grad():
        features = model.encode("siglip", data["x_source"])
        near(decoder.autoencoder.encode(data["x_target"]), tokens(data["latents"]), 5e-5)
    monkeypatch.setattr(flow_matching, "normal_like", lambda *_: tokens(data["noise"]))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: data["u"])
    monkeypatch.setitem(decoder.pieces, "drop_condition", 0.0)
    loss = decoder.loss(features, data["x_target"], torch.Generator()).mean()
    monkeypatch.undo()
    near(loss, data["loss"], 0, 2e-6)
    named = {f"transformer.{name}": each for name, each in decoder.network.transformer.named_parameters()}
    named |= {f"connector.{name}": each for name, each in decoder.network.connector.named_parameters()}
    found = {key.removeprefix("grad."): value for key, value in data.items() if key.startswith("grad.")}
    for ours, theirs in zip(torch.autograd.grad(loss, [named[key] for key in found]), found.values(), strict=True):
        near(ours, theirs, 1e-6, 1e-4)


# -- behaviour --------------------------------------------------------------------------------------------------------


def test_reconstructing_five_pictures_is_reconstructing_each(double):
    features = double.encode("siglip", double.pixels("siglip", pictures(5)))
    with torch.inference_mode():
        together = double.to_pixels(features, range(5))
        alone = torch.cat([double.to_pixels(features[[row]], [row]) for row in range(5)])
    assert (together - alone).abs().max() <= 1e-9


def test_a_seed_decides_and_nothing_else(models):
    model = models["released"]
    first = model.reconstruct(pictures(1), seed=3)[0]
    torch.manual_seed(5)
    assert first.tobytes() == model.reconstruct(pictures(2), seed=3)[0].tobytes()
    assert first.tobytes() != model.reconstruct(pictures(1), seed=4)[0].tobytes()
    assert first.size == (32, 32)


def test_the_null_features_are_saved_once_they_are_known(sana_imported, tmp_path):
    model = diptych.load(sana_imported["released"])
    assert model.parts.decoder.lacks_null
    with pytest.raises(RequestError, match="does not know the features of a black picture yet"):
        model.parts.decoder(torch.zeros(1, 4, 32), generators([0]))
    model.reconstruct(pictures(1))
    model.save(tmp_path / "model")
    assert torch.equal(diptych.load(tmp_path / "model").parts.decoder.null, model.parts.decoder.null)


def test_what_needs_text_is_refused(models):
    with pytest.raises(RequestError, match="does not paint"):
        models["released"].generate("a cat")
    with pytest.raises(RequestError, match="does not answer"):
        models["released"].ask(pictures(1)[0], "what is it?")


def test_it_trains_from_an_import_and_goes_back(sana_imported, tmp_path):
    recipe = structure(
        {
            "name": "drawer",
            "model": str(sana_imported["trainer"]),
            "data": {"squares": {"type": "squares", "image_size": 32, "task": "paint"}},
            "stages": [
                {
                    "name": "draw",
                    "train": ["decode.decoder"],
                    "mixture": {"squares": 1.0},
                    "losses": {"reconstruct": {"objective": {"type": "reconstruct"}}},
                    "steps": 2,
                    "batch": 4,
                    "warmup": 0,
                }
            ],
        },
        Recipe,
    )
    model = train(recipe, tmp_path / "run", quiet=True)
    before = diptych.load(sana_imported["trainer"])
    moved = {
        name.split(".")[3]
        for name, each in model.parts.named_parameters()
        if not torch.equal(each, before.parts.get_parameter(name))
    }
    assert moved == {"transformer", "connector"}
    model.save(tmp_path / "tuned")
    sent = export_checkpoint("siglip2-sana", tmp_path / "tuned", tmp_path / "back")
    assert sent.skipped["decode.decoder.null"].startswith("features of a black picture")
    back = load_file(tmp_path / "back" / "model.safetensors")
    assert torch.equal(back["connector.0.weight"], model.parts.decoder.network.connector[0].weight)


def test_a_model_of_ones_own_is_written_as_released(tmp_path):
    small = {"hidden_width": 16, "depth": 2, "heads": 2, "image_size": 32, "patch_size": 16, "mlp_width": 20}
    network = {"heads": 2, "head_width": 4, "cross_heads": 2, "layers": 1, "caption_width": 6}
    coder = {"image_size": 16, "channels": 4, "widths": [8, 16], "encoder_layers": [1, 1], "decoder_layers": [1, 1]}
    data = {
        "name": "own",
        "vision": {"siglip": {"type": "siglip2", "layer": -2, "resize": "shorter-side", **small}},
        "decode": {
            "of": "siglip",
            "decoder": {
                "type": "diffusion",
                "network": {
                    "type": "sana",
                    "connector": {"type": "mlp-norm", "hidden": 6, "preset": "sana"},
                    **network,
                },
                "autoencoder": {"type": "dc-ae", "attention_from": 1, "head_width": 8, **coder},
                "null": "black-picture",
            },
        },
    }
    diptych.build(structure(data, ModelSpec)).save(tmp_path / "own")
    export_checkpoint("siglip2-sana", tmp_path / "own", tmp_path / "theirs")
    names = load_file(tmp_path / "theirs" / "model.safetensors").keys()
    assert "transformer.transformer.proj_out.weight" in names
    config = json.loads((tmp_path / "theirs" / "config.json").read_text())
    assert config["num_pooled_tokens"] == -1
    brought = import_checkpoint("siglip2-sana", tmp_path / "theirs", tmp_path / "again")
    assert not brought.skipped
    same = load_file(tmp_path / "again" / "model.safetensors"), load_file(tmp_path / "own" / "model.safetensors")
    assert same[0].keys() == same[1].keys()
    assert all(torch.equal(value, same[1][name]) for name, value in same[0].items())
