"""The decoder beside BLIP3-o's shards: imported with the rest, it draws what diffusers' own classes draw."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from einops import rearrange
from integration_cases.decoder_folder import SIDE, STEPS, add_decoder
from safetensors.torch import load_file

import diptych
from diptych.cli.main import main
from diptych.errors import CheckpointError
from diptych.importing.bring import import_checkpoint
from diptych.importing.send import export_checkpoint
from diptych.prompt import Encoded
from diptych.seeds import generators, noise
from diptych.spec.files import read_spec
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure, unstructure


@pytest.fixture(scope="module")
def model(blip3o_drawing):
    return diptych.load(blip3o_drawing)


def tensors_in(folder):
    """Return every tensor of a checkpoint folder by the path of its file's folder and its name."""
    found = {}
    for path in folder.rglob("*.safetensors"):
        where = path.parent.relative_to(folder).as_posix()
        found |= {(where, name): value for name, value in load_file(path).items()}
    return found


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# -- numbers ----------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def by_hand(model, folder, prompt, seed):
    """Draw as the original's pipeline does, by the official classes on features of our own: -> [1 3 h w] in [-1, 1]."""
    here = folder / "diffusion-decoder"
    official = {"variant": "bf16", "torch_dtype": torch.float32}
    unet = UNet2DConditionModel.from_pretrained(here / "unet", **official).eval()
    vae = AutoencoderKL.from_pretrained(here / "vae", **official).eval()
    steps = EulerDiscreteScheduler.from_pretrained(here / "scheduler")
    steps.set_timesteps(STEPS)
    tokens = torch.cat([model.features([prompt], [seed]), of_a_space(model)])  # [conditional, null], as Emu2 has it
    added = {
        "text_embeds": tokens.mean(1),
        "time_ids": torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]] * 2),
    }
    first = noise(((SIDE // 2) ** 2, 4), generators([seed]), like=tokens)
    x = rearrange(first, "b (h w) c -> b c h w", h=SIDE // 2) * steps.init_noise_sigma
    for t in steps.timesteps:
        seen = steps.scale_model_input(torch.cat([x, x]), t)
        conditional, null = unet(seen, t, tokens, added_cond_kwargs=added).sample.chunk(2)
        x = steps.step(null + 3.0 * (conditional - null), t, x).prev_sample
    return vae.decode(x / vae.config.scaling_factor).sample.clamp(-1, 1)


def of_a_space(model):
    """Sample features for one space without a chat template, under seed 0: [1 n c]."""
    words, ids = model.tokenizer, model.prompts.token_ids()
    row = (*words.encode(" "), ids["[IMG]"], *[ids["<image>"]] * 16)
    sequences = model.sequences([Encoded(row, (False,) * len(row), queries=16)])
    states = model.states(sequences, queries=model.parts.step("features")["condition"].query_embeds())[:, -16:]
    step = model.spec.step("features")
    head = model.parts.step("features")["head"]
    return head.sample(states, None, generators([0]), step.sampler.build(), step.guidance.build())


def test_pictures_are_those_of_the_official_classes(model, blip3o_drawing_folder):
    wanted = by_hand(model, blip3o_drawing_folder, "a red cat", 3)
    with torch.inference_mode():
        drawn = model.to_pixels(model.features(["a red cat"], [3]), [3])
    assert drawn.shape == (1, 3, SIDE, SIDE)
    assert drawn.std() > 0.01
    torch.testing.assert_close(drawn, wanted, atol=1e-5, rtol=0)
    picture = np.asarray(model.generate("a red cat", seed=3)[0]).astype(float)
    rounded = ((wanted / 2 + 0.5) * 255).round()[0].permute(1, 2, 0).numpy()
    assert np.abs(picture - rounded).max() <= 1


def test_pictures_are_the_same_alone_in_a_batch_and_in_another_order(blip3o_drawing):
    prompts = ["a red cat", "x", "two dogs on a long beach"]
    model = diptych.load(blip3o_drawing, dtype=torch.float64)
    again = diptych.load(blip3o_drawing, dtype=torch.float64)
    seeds = [5, 6, 7]
    with torch.inference_mode():
        together = model.to_pixels(model.features(prompts, seeds), seeds)
        for index in (2, 0, 1):
            alone = again.to_pixels(again.features(prompts[index : index + 1], [seeds[index]]), [seeds[index]])
            assert (together[index] - alone[0]).abs().max() <= 1e-9


def test_the_null_features_need_no_tower_and_are_saved(model, blip3o_drawing, tmp_path):
    assert "vision.clip" in model.left_out
    fresh = diptych.load(blip3o_drawing)
    assert fresh.parts.decoder.lacks_null
    drawn = fresh.generate("x")[0]
    torch.testing.assert_close(fresh.parts.decoder.null, of_a_space(fresh)[0], atol=1e-4, rtol=0)
    fresh.save(tmp_path / "kept")
    again = diptych.load(tmp_path / "kept")
    assert not again.parts.decoder.lacks_null
    assert again.generate("x")[0].tobytes() == drawn.tobytes()


def test_what_the_config_says_stands_in_the_spec(blip3o_drawing):
    decode = json.loads((blip3o_drawing / "spec.json").read_text())["decode"]
    assert decode["of"] == "features"
    named = read_spec("blip3o-8b").decode.decoder
    own = read_spec(blip3o_drawing / "spec.json").decode.decoder
    for path in ("noise_schedule", "prediction", "sampler", "guidance", "null", "network.first_time", "network.clock"):
        ours = theirs = None
        for each in path.split("."):
            ours, theirs = getattr(ours or own, each), getattr(theirs or named, each)
        assert ours == theirs, path
    assert own.network.sizes == (SIDE, SIDE, 0, 0, SIDE, SIDE)
    assert named.network.sizes == (1024, 1024, 0, 0, 1024, 1024)


# -- there and back ---------------------------------------------------------------------------------------------------


def test_what_is_exported_is_what_was_imported(blip3o_drawing_folder, tmp_path):
    import_checkpoint("blip3o", blip3o_drawing_folder, tmp_path / "ours", include=["vision.clip"])
    sent = export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "back")
    before, after = tensors_in(blip3o_drawing_folder), tensors_in(tmp_path / "back")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) and after[key].dtype == value.dtype for key, value in before.items())
    assert {value.dtype for (where, _), value in before.items() if where != "."} == {torch.bfloat16}
    there = [name for name in files_in(blip3o_drawing_folder) if not name.endswith(".py")]  # code is not carried
    assert files_in(tmp_path / "back") == there
    for name in there:
        if name.endswith(".json") and name != "config.json":
            assert (tmp_path / "back" / name).read_bytes() == (blip3o_drawing_folder / name).read_bytes(), name
    unet = "diffusion-decoder/unet/diffusion_pytorch_model.bf16.safetensors"
    assert unet in sent.files


def test_shards_other_variants_and_files_without_one(blip3o_folder, tmp_path):
    folder = shutil.copytree(blip3o_folder, tmp_path / "theirs")
    add_decoder(folder, variant=None, max_shard_size="40KB")
    assert len(list((folder / "diffusion-decoder" / "unet").glob("*-of-*.safetensors"))) > 1
    vae = folder / "diffusion-decoder" / "vae" / "diffusion_pytorch_model.safetensors"
    own = load_file(vae)
    torch.save(own, vae.with_suffix(".bin"))  # as older versions of diffusers wrote it
    vae.unlink()
    import_checkpoint("blip3o", folder, tmp_path / "ours")
    export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "back", shard=40_000)
    here = tmp_path / "back" / "diffusion-decoder" / "unet"
    assert (here / "diffusion_pytorch_model.safetensors.index.json").exists()
    again = UNet2DConditionModel.from_pretrained(here)
    wanted = UNet2DConditionModel.from_pretrained(folder / "diffusion-decoder" / "unet")
    for name, value in wanted.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    back = tensors_in(tmp_path / "back" / "diffusion-decoder" / "vae")
    assert {name for _, name in back} == own.keys()
    assert all(torch.equal(value, own[name]) for (_, name), value in back.items())


def test_shards_of_a_variant_are_read_by_diffusers(blip3o_drawing_folder, blip3o_drawing, tmp_path):
    export_checkpoint("blip3o", blip3o_drawing, tmp_path / "back", shard=40_000)
    here = tmp_path / "back" / "diffusion-decoder"
    assert (here / "unet" / "diffusion_pytorch_model.safetensors.index.bf16.json").exists()
    UNet2DConditionModel.from_pretrained(here / "unet", variant="bf16")
    AutoencoderKL.from_pretrained(here / "vae", variant="bf16")
    import_checkpoint("blip3o", tmp_path / "back", tmp_path / "again")
    first, second = (load_file(each / "model.safetensors") for each in (blip3o_drawing, tmp_path / "again"))
    assert first.keys() == second.keys()
    assert all(torch.equal(second[name], value) for name, value in first.items())


def test_weight_files_that_are_not_read_are_told(blip3o_drawing_folder, tmp_path, capsys):
    folder = shutil.copytree(blip3o_drawing_folder, tmp_path / "theirs")
    unet = folder / "diffusion-decoder" / "unet"
    shutil.copy(unet / "diffusion_pytorch_model.bf16.safetensors", unet / "diffusion_pytorch_model.safetensors")
    (folder / "diffusion-decoder" / "safety_checker").mkdir()
    (folder / "diffusion-decoder" / "safety_checker" / "pytorch_model.bin").write_bytes(b"never opened")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "model.safetensors").write_bytes(b"")
    main(["import", "blip3o", str(folder), str(tmp_path / "ours")])
    told = capsys.readouterr().err
    assert "not read: diffusion-decoder/safety_checker/pytorch_model.bin" in told
    assert "not read: diffusion-decoder/unet/diffusion_pytorch_model.safetensors" in told
    assert told.count("not read") == 2


def test_a_trained_decoder_goes_back(blip3o_drawing, blip3o_drawing_folder, tmp_path):
    model = diptych.load(blip3o_drawing, dtype=None)
    with torch.no_grad():
        model.parts.decoder.network.model.conv_in.bias.add_(1)
    model.generate("x")
    model.save(tmp_path / "tuned")
    sent = export_checkpoint("blip3o", tmp_path / "tuned", tmp_path / "back")
    assert sent.skipped.keys() >= {"decode.decoder.null", "decode.decoder.null_known"}
    unet = UNet2DConditionModel.from_pretrained(tmp_path / "back" / "diffusion-decoder" / "unet", variant="bf16")
    assert torch.equal(unet.conv_in.bias, model.parts.decoder.network.model.conv_in.bias.float())


def test_a_decoder_made_here_goes_there_and_comes_back(blip3o_imported, tmp_path):
    """With sizes, a table and a spacing of its own; diffusers' classes read what is written."""
    spec = unstructure(read_spec(blip3o_imported / "spec.json"))
    spec["tokenizer"]["path"] = str(blip3o_imported / "tokenizer")
    network = {"type": "sdxl-unet", "widths": [8], "blocks": 1, "attention_layers": [1], "head_width": 4}
    network |= {"norm_groups": 2, "size_width": 6, "clock": 100.0, "first_time": -1.0, "sizes": [8, 8, 0, 0, 8, 8]}
    autoencoder = {"type": "autoencoder-kl", "image_size": 8, "channels": 3, "widths": [4], "norm_groups": 2}
    autoencoder |= {"layers": 1, "attention": False, "quant_conv": False, "scaling_factor": 0.5, "shift_factor": 0.25}
    table = {"type": "ddpm-linear", "steps": 100, "beta_start": 0.001, "beta_end": 0.1, "zero_terminal": False}
    decoder = {"type": "diffusion", "network": network, "autoencoder": autoencoder, "noise_schedule": table}
    decoder |= {"prediction": "v", "null": "painted-space"}
    decoder["sampler"] = {"type": "euler-discrete", "steps": 4, "spacing": "trailing", "table": 100}
    spec |= {"decode": {"of": "features", "decoder": decoder}, "numerics": "clean"}
    made = diptych.build(structure(spec, ModelSpec))
    made.save(tmp_path / "ours")
    export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "theirs")
    here = tmp_path / "theirs" / "diffusion-decoder"
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["gen_image_size"] == 8
    assert UNet2DConditionModel.from_pretrained(here / "unet", variant="bf16").config.cross_attention_dim == 32
    assert AutoencoderKL.from_pretrained(here / "vae", variant="bf16").config.shift_factor == 0.25
    assert EulerDiscreteScheduler.from_pretrained(here / "scheduler").config.prediction_type == "v_prediction"
    import_checkpoint("blip3o", tmp_path / "theirs", tmp_path / "again", include=["vision.clip"])
    again = diptych.load(tmp_path / "again")
    before, after = made.parts.state_dict(), again.parts.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    made.parts.decoder.sampler = again.parts.decoder.sampler  # the layout has no word for the number of steps
    assert made.generate("x", seed=2)[0].tobytes() == again.generate("x", seed=2)[0].tobytes()


def test_a_decoder_that_was_left_out_is_not_written(blip3o_drawing, tmp_path):
    diptych.load(blip3o_drawing).save(tmp_path / "ours", leave_out=["decode.decoder"])
    export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "back")
    assert not (tmp_path / "back" / "diffusion-decoder").exists()
    done = import_checkpoint("blip3o", tmp_path / "back", tmp_path / "again")
    assert "has no folder diffusion-decoder/, so that the model makes features" in done.absent["decode"]


def test_another_decoder_has_no_place_in_the_layout(blip3o_drawing, tmp_path):
    model = diptych.load(blip3o_drawing)
    model.save(tmp_path / "ours")
    path = tmp_path / "ours" / "spec.json"
    spec = json.loads(path.read_text())
    spec["decode"]["decoder"] |= {"noise_schedule": {"type": "linear"}, "prediction": "velocity"}
    path.write_text(json.dumps(spec))
    with pytest.raises(CheckpointError, match="takes noise off by a table"):
        export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "back")
    assert not (tmp_path / "back").exists()
