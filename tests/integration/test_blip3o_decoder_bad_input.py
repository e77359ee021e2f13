"""Decoder folders that are not what they should be: a clear error before memory is spent, nothing half-written."""

import json
import shutil
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration_cases import spoiled
from safetensors.torch import load_file, save_file

from diptych.errors import CheckpointError, SpecError
from diptych.families.sdxl import (
    describe_table,
    describe_unet,
    describe_vae,
    table_config,
    unet_config,
    vae_config,
)
from diptych.importing.bring import import_checkpoint
from diptych.importing.importer import Foreign
from diptych.spec.structure import structure
from diptych_encoders.autoencoder_kl import AutoencoderKl
from diptych_heads.decoders.diffusion_spec import Diffusion
from diptych_heads.networks.sdxl_unet_spec import SdxlUnet


refused = partial(spoiled.refused, "blip3o")
WEIGHTS = "diffusion_pytorch_model.bf16.safetensors"


@pytest.fixture
def folder(blip3o_drawing_folder, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(blip3o_drawing_folder, tmp_path / "theirs")


def says(folder, part, **changes):
    """Change values of one of the decoder's configs; None takes one out."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    path = folder / "diffusion-decoder" / part / name
    said = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


def test_half_a_folder(folder):
    here = folder / "diffusion-decoder"
    (here / "unet" / WEIGHTS).unlink()
    shutil.rmtree(here / "vae")
    text = refused(folder)
    assert f"diffusion-decoder/unet holds no weights: expected {WEIGHTS}" in text
    assert "it holds config.json" in text
    assert "diffusion-decoder/vae holds no weights" in text


def test_weights_without_their_configs(folder):
    for name in ("unet/config.json", "scheduler/scheduler_config.json"):
        (folder / "diffusion-decoder" / name).unlink()
    text = refused(folder)
    assert "diffusion-decoder/unet/config.json, diffusion-decoder/scheduler/scheduler_config.json missing" in text
    assert "download diffusion-decoder/ again, or none of it" in text


def test_an_empty_folder(folder):
    shutil.rmtree(folder / "diffusion-decoder")
    (folder / "diffusion-decoder").mkdir()
    assert refused(folder).count("holds no weights") == 2


@pytest.mark.parametrize("spoil", ["{", "[]"])
def test_a_damaged_config(folder, spoil):
    (folder / "diffusion-decoder" / "unet" / "config.json").write_text(spoil)
    assert "diffusion-decoder/unet/config.json is damaged" in refused(folder)


def test_a_truncated_file(folder):
    path = folder / "diffusion-decoder" / "vae" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])
    assert "not a whole safetensors file" in refused(folder)


def test_sizes_that_the_weights_do_not_have(folder, monkeypatch):
    from diptych.importing.stored import StoredTensors

    monkeypatch.setattr(StoredTensors, "read", lambda *_: pytest.fail("a tensor was read"))
    says(folder, "vae", layers_per_block=2)
    assert "missing: nothing in the checkpoint becomes decode.decoder.autoencoder.model.decoder" in refused(folder)
    says(folder, "vae", layers_per_block=1)
    says(folder, "unet", block_out_channels=[8, 32], attention_head_dim=[1, 4])
    text = refused(folder)
    assert "diffusion-decoder/unet/down_blocks.1" in text
    assert "diffusion-decoder/unet/conv_norm_out" not in text  # the finest level is as it was


def test_tensors_that_are_missing_too_many_or_no_numbers(folder):
    path = folder / "diffusion-decoder" / "unet" / WEIGHTS
    found = load_file(path)
    kept = found.pop("conv_out.bias")
    save_file({**found, "odd": torch.zeros(1)}, path)
    text = refused(folder)
    assert "decode.decoder.network.model.conv_out.bias BF16 [4]" in text or "model.conv_out.bias F32 [4]" in text
    assert "diffusion-decoder/unet/odd becomes decode.decoder.network.model.odd, which the model does not" in text
    save_file({**found, "conv_out.bias": kept * float("nan")}, path)
    assert "NaN or infinity" in refused(folder)


def test_features_of_another_width(folder):
    says(folder, "unet", cross_attention_dim=48, projection_class_embeddings_input_dim=48 + 24)
    text = refused(folder, SpecError)
    assert "32" in text
    assert "48" in text


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("unet", {"cross_attention_dim": 16}, "projection_class_embeddings_input_dim is 56, but can only be 40"),
        ("unet", {"use_linear_projection": False}, "use_linear_projection is False, but can only be True"),
        ("unet", {"use_linear_projection": None}, "unet/config.json has no 'use_linear_projection'"),
        ("unet", {"attention_head_dim": [1, 4], "down_block_types": ["CrossAttnDownBlock2D"] * 2}, "widths [4, 8]"),
        ("unet", {"attention_head_dim": [2, 3]}, "[2, 3] are numbers of heads, and must divide block_out_channels"),
        ("unet", {"attention_head_dim": [1, None]}, "attention_head_dim is [1, None], but can only be whole numbers"),
        ("unet", {"transformer_layers_per_block": [1, [2]]}, "transformer_layers_per_block is [1, [2]], but can only"),
        ("unet", {"attention_head_dim": 0}, "must divide block_out_channels"),
        ("unet", {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"]}, "down_block_types are DownBlock2D, Attn"),
        ("unet", {"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}, "must mirror down_block_types"),
        ("unet", {"attention_head_dim": [1, 2, 4]}, "differ in length"),
        ("unet", {"act_fn": "gelu", "class_embed_type": "timestep"}, "class_embed_type is 'timestep', but can only"),
        ("unet", {"out_channels": 8}, "in_channels 4 and out_channels 8 differ"),
        ("vae", {"act_fn": "relu"}, "act_fn is 'relu', but can only be 'silu'"),
        ("vae", {"use_quant_conv": False}, "use_quant_conv is False, but use_post_quant_conv is not"),
        ("vae", {"down_block_types": ["DownEncoderBlock2D", "Attn"]}, "down_block_types are DownEncoderBlock2D, Attn"),
        ("scheduler", {"_class_name": "DDIMScheduler"}, "_class_name is 'DDIMScheduler', but can only be 'Euler"),
        ("scheduler", {"beta_schedule": "squaredcos_cap_v2"}, "is none of linear, scaled_linear"),
        ("scheduler", {"prediction_type": "flow"}, "prediction_type 'flow' is none of epsilon, v_prediction, sample"),
        ("scheduler", {"use_karras_sigmas": True}, "use_karras_sigmas is True, but can only be False"),
        ("scheduler", {"beta_end": None}, "scheduler/scheduler_config.json has no 'beta_end'"),
    ],
)
def test_configs_of_what_our_parts_cannot_be(folder, part, changes, words):
    says(folder, part, **changes)
    assert words in refused(folder)


def test_a_spacing_that_is_none(folder):
    says(folder, "scheduler", timestep_spacing="even")
    assert "spacing" in refused(folder, SpecError)


# -- every option of the layout that our parts can be goes there and back ----------------------------------------------


def through_official(cls, config, **more):
    """Return a config as the official class writes it, every default filled in."""
    own = {key: value for key, value in config.items() if key != "_class_name"}
    with torch.device("meta") if issubclass(cls, torch.nn.Module) else nullcontext():
        return json.loads(json.dumps(dict(cls.from_config({**own, **more}).config)))


def read(described, cls):
    """Make the spec of a part as described."""
    return structure({key: value for key, value in described.items() if key != "type"}, cls, "decoder")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    levels=st.lists(st.tuples(st.sampled_from([8, 16]), st.sampled_from([0, 1, 2])), min_size=1, max_size=3).filter(
        lambda levels: any(layers for _, layers in levels)
    ),
    blocks=st.integers(1, 2),
    head_width=st.sampled_from([4, 8]),
    channels=st.integers(1, 4),
)
def test_networks_there_and_back(levels, blocks, head_width, channels):
    widths, layers = zip(*levels, strict=True)
    sizes = {"widths": widths, "attention_layers": layers, "blocks": blocks, "head_width": head_width}
    more = {"norm_groups": 4, "size_width": 4, "condition_width": 6, "channels": channels}
    spec = SdxlUnet(**sizes, **more, height=8, width=8)
    written = through_official(UNet2DConditionModel, unet_config(spec))
    again = read(describe_unet(Foreign(written, {})), SdxlUnet)
    for field in (*sizes, *more):
        assert getattr(again, field) == getattr(spec, field), field


@settings(max_examples=15, deadline=None)
@given(
    widths=st.lists(st.sampled_from([4, 8]), min_size=1, max_size=3),
    channels=st.integers(1, 4),
    attention=st.booleans(),
    quant_conv=st.booleans(),
    scaling_factor=st.floats(0.1, 2),
    shift_factor=st.sampled_from([0.0, 0.25]),
)
def test_autoencoders_there_and_back(**fields):
    spec = AutoencoderKl(**{**fields, "widths": tuple(fields["widths"])}, norm_groups=2, layers=1, image_size=32)
    written = through_official(AutoencoderKL, vae_config(spec))
    again = read(describe_vae(Foreign(written, {}), 32), AutoencoderKl)
    assert again == spec


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["ddpm-linear", "scaled-linear"]),
    prediction=st.sampled_from(["noise", "v", "clean"]),
    spacing=st.sampled_from(["leading", "trailing", "linspace"]),
    offset=st.integers(0, 1),
    places=st.sampled_from([100, 1000]),
)
def test_tables_there_and_back(kind, prediction, spacing, offset, places):
    table = {"type": kind, "beta_start": 0.001, "beta_end": 0.01, "steps": places, "zero_terminal": False}
    data = {
        "network": {"type": "sdxl-unet", "widths": [8], "attention_layers": [1], "norm_groups": 4, "head_width": 4},
        "noise_schedule": table,
        "prediction": prediction,
        "sampler": {
            "type": "euler-discrete", "steps": 50, "spacing": spacing, "offset": offset, "table": places,
        },
    }  # fmt: skip
    spec = structure(data, Diffusion, "decoder")
    written = through_official(EulerDiscreteScheduler, table_config(spec))
    again = structure({**data, **describe_table(Foreign(written, {}))}, Diffusion, "decoder")
    assert again == spec


def test_a_layout_is_read_back_with_other_options(folder, tmp_path):
    """v prediction, another spacing, one number of heads for all levels, no variant's word."""
    says(folder, "scheduler", prediction_type="v_prediction", timestep_spacing="trailing")
    says(folder, "unet", attention_head_dim=2, transformer_layers_per_block=[5, 2])
    done = import_checkpoint("blip3o", folder, tmp_path / "ours")
    decoder = done.spec.decode.decoder
    assert decoder.prediction == "v"
    assert decoder.sampler.spacing == "trailing"
    assert decoder.network.attention_layers == (0, 2)
    from diptych.importing.send import export_checkpoint

    export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "back")
    for name in ("scheduler/scheduler_config.json", "unet/config.json"):
        path = f"diffusion-decoder/{name}"
        assert json.loads((tmp_path / "back" / path).read_text()) == json.loads((folder / path).read_text())


def test_no_folder_is_told(blip3o_folder, tmp_path):
    done = import_checkpoint("blip3o", blip3o_folder, tmp_path / "ours")
    assert done.spec.decode is None
    assert "has no folder diffusion-decoder/, so that the model makes features and draws no" in done.absent["decode"]
    with pytest.raises(CheckpointError, match=r"`blip3o` leaves out vision\.clip"):
        import_checkpoint("blip3o", blip3o_folder, tmp_path / "more", include=["decode.decoder"])
