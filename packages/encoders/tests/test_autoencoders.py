"""Both autoencoders against the official classes, and their own loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderDC as OfficialDc
from diffusers import AutoencoderKL as OfficialKl
from diffusers import AutoencoderTiny as OfficialTiny
from einops import rearrange
from safetensors.torch import load_file
from torch import Generator, Tensor

from diptych.errors import CheckpointError
from diptych_encoders.autoencoder_kl import AutoencoderKl
from diptych_encoders.autoencoder_tiny import AutoencoderTiny
from diptych_encoders.dc_ae import DcAe


KL: dict[str, Any] = {
    "image_size": 16,
    "channels": 4,
    "widths": (8, 16, 16),
    "layers": 1,
    "norm_groups": 4,
    "scaling_factor": 0.5,
    "shift_factor": 0.25,
}
TINY: dict[str, Any] = {"image_size": 16, "channels": 4, "hidden_width": 8, "blocks": (1, 1, 2)}
DC: dict[str, Any] = {
    "image_size": 16,
    "channels": 4,
    "widths": (8, 8, 16),
    "encoder_layers": (0, 1, 1),
    "decoder_layers": (0, 1, 1),
    "attention_from": 2,
    "head_width": 4,
    "scaling_factor": 0.5,
}
SPECS = [
    AutoencoderKl(**KL),
    AutoencoderTiny(**TINY, scaling_factor=0.7, shift_factor=-0.2),
    DcAe(**{**DC, "encoder_layers": (1, 1, 1), "decoder_layers": (1, 1, 1)}),
    DcAe(**DC, scales=(), resample="shuffle", batch_norm=True),
]
PARTS = {AutoencoderKl: "autoencoder-kl", AutoencoderTiny: "autoencoder-tiny", DcAe: "dc-ae"}


def pixels(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=Generator().manual_seed(0)) * 2 - 1


def official(spec: AutoencoderKl | AutoencoderTiny | DcAe, folder: Path) -> Any:
    torch.manual_seed(1)
    model: Any
    if isinstance(spec, DcAe):
        old = spec.batch_norm
        model = OfficialDc(
            latent_channels=4,
            attention_head_dim=4,
            encoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8, 16),
            decoder_block_out_channels=(8, 8, 16),
            encoder_layers_per_block=(0, 1, 1) if old else (1, 1, 1),
            decoder_layers_per_block=(0, 1, 1) if old else (1, 1, 1),
            encoder_qkv_multiscales=((), (), ()) if old else ((), (), (5,)),
            decoder_qkv_multiscales=((), (), ()) if old else ((), (), (5,)),
            downsample_block_type="pixel_unshuffle" if old else "conv",
            upsample_block_type="pixel_shuffle" if old else "interpolate",
            decoder_norm_types=("batch_norm", "batch_norm", "rms_norm") if old else "rms_norm",
            decoder_act_fns=("relu", "relu", "silu") if old else "silu",
            scaling_factor=0.5,
        )
    elif isinstance(spec, AutoencoderKl):
        model = OfficialKl(
            block_out_channels=(8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=4,
            scaling_factor=0.5,
            shift_factor=0.25,
        )
    else:
        model = OfficialTiny(
            encoder_block_out_channels=(8, 8, 8),
            decoder_block_out_channels=(8, 8, 8),
            num_encoder_blocks=(1, 1, 2),
            num_decoder_blocks=(2, 1, 1),
            scaling_factor=0.7,
            shift_factor=-0.2,
        )
    model.eval().save_pretrained(folder)
    return model


def with_weights(spec: AutoencoderKl | AutoencoderTiny | DcAe, folder: Path) -> Any:
    import attrs

    spec = attrs.evolve(spec, weights=str(folder))
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


@pytest.mark.parametrize("spec", SPECS)
def test_both_ways_and_gradients_equal_the_official_ones(spec: Any, tmp_path: Path, parity: Any) -> None:
    model = official(spec, tmp_path)
    ours = with_weights(spec, tmp_path)
    encoded = model.encode(pixels())
    raw = encoded.latent_dist.mean if isinstance(model, OfficialKl) else encoded[0]
    tokens = rearrange(raw, "b c h w -> b (h w) c")
    expected = (tokens - spec.shift_factor) * spec.scaling_factor
    latents = ours.encode(pixels())
    part, source = PARTS[type(spec)], f"diffusers {type(model).__name__}"
    parity(part, source, "latents", latents, expected)
    painted, theirs = ours.decode(latents), model.decode(raw).sample
    parity(part, source, "pixels", painted, theirs.clamp(-1, 1))
    painted.square().sum().backward()
    theirs.clamp(-1, 1).square().sum().backward()
    grads, official_grads = ({n: p.grad for n, p in each.named_parameters()} for each in (ours.model, model))
    parity(part, source, "gradients", grads, official_grads)


def test_rows_of_tokens_are_rows_of_the_image() -> None:
    torch.manual_seed(0)
    module = SPECS[1].build()  # its convolutions see only what is near
    image = torch.zeros(1, 3, 16, 16)
    changed = image.clone()
    changed[:, :, :4, 12:] = 1.0  # the upper right corner: row 0, column 3 of the 4 x 4 grid
    with torch.no_grad():
        moved = (module.encode(changed) - module.encode(image)).abs().sum(-1)[0]
    assert int(moved.argmax()) == 3


def test_kl_loss_is_the_official_posterior_sampled_from_the_generator(tmp_path: Path) -> None:
    model = official(SPECS[0], tmp_path)
    ours = with_weights(AutoencoderKl(**KL, kl_weight=0.5, reconstruction="mse"), tmp_path)
    gaussian = model.encode(pixels()).latent_dist
    latents = gaussian.sample(Generator().manual_seed(7))
    painted = model.decode(latents).sample
    losses = ours.loss(pixels(), Generator().manual_seed(7))
    expected = (painted - pixels()).square().mean((1, 2, 3))
    torch.testing.assert_close(losses["reconstruction"], expected)
    torch.testing.assert_close(losses["kl"], 0.5 * gaussian.kl() / (3 * 16 * 16))


@pytest.mark.parametrize("spec", [*SPECS, AutoencoderTiny(**TINY, latent_noise=0.3)])
def test_loss_follows_its_generator_and_leaves_the_global_one_alone(spec: Any) -> None:
    torch.manual_seed(0)
    module = spec.build()
    state = torch.get_rng_state()
    one, same, other = (sum(module.loss(pixels(), Generator().manual_seed(seed)).values()) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.shape == (2,)
    assert torch.equal(one, same)
    random = isinstance(spec, AutoencoderKl) or getattr(spec, "latent_noise", 0) > 0
    assert torch.equal(one, other) != random


@pytest.mark.parametrize(
    "spec",
    [
        AutoencoderKl(**{**KL, "widths": (8, 16), "attention": False}),
        AutoencoderTiny(**{**TINY, "hidden_width": 16, "blocks": (1, 1, 1)}),
    ],
)
def test_it_learns_from_scratch(spec: Any) -> None:
    torch.manual_seed(0)
    module = spec.build()
    colours = torch.rand(8, 3, 2, 2, generator=Generator().manual_seed(1)) * 2 - 1
    images = colours.repeat_interleave(8, 2).repeat_interleave(8, 3)
    optimiser = torch.optim.AdamW(module.parameters(), lr=5e-3)
    generator = Generator().manual_seed(2)
    for _ in range(60):
        loss = sum(module.loss(images, generator).values()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(parameter.grad is not None for parameter in module.parameters())
    with torch.no_grad():
        error = (module.decode(module.encode(images)) - images).abs().mean().item()
    assert error < 0.75 * (images - images.mean()).abs().mean().item()


def test_pixels_stay_in_range() -> None:
    module = SPECS[0].build()
    painted = module.decode(100 * torch.randn(1, 16, 4, generator=Generator().manual_seed(0)))
    assert painted.abs().max() <= 1


@pytest.mark.parametrize("spec", SPECS)
def test_wrong_grids_are_refused(spec: Any) -> None:
    module = spec.build()
    with pytest.raises(ValueError, match="a grid of 2 x 4 latents, but the spec says 4 x 4"):
        module.encode(torch.zeros(1, 3, 8, 16))
    with pytest.raises(ValueError, match="9 tokens are not the 4 x 4 = 16"):
        module.decode(torch.zeros(1, 9, 4))


def test_weights_of_other_sizes_are_refused_with_every_difference(tmp_path: Path) -> None:
    official(SPECS[0], tmp_path)
    spec = AutoencoderKl(**{**KL, "channels": 8, "scaling_factor": 0.1, "widths": (8, 16)}, weights=str(tmp_path))
    with pytest.raises(CheckpointError) as error:
        spec.load_weights(spec.build())
    for words in ("channels: the checkpoint has 4, the spec 8", "scaling_factor", "widths"):
        assert words in str(error.value)


def test_missing_and_incomplete_checkpoints_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(CheckpointError, match=r"config\.json"):
        with_weights(SPECS[1], tmp_path)
    official(SPECS[1], tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["encoder.layers.0.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing: encoder\.layers\.0\.weight"):
        with_weights(SPECS[1], tmp_path)
    file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        with_weights(SPECS[1], tmp_path)


@pytest.mark.parametrize(("name", "million", "grid"), [("sd", 83.65, 64), ("sdxl", 83.65, 128), ("flux", 83.82, 128)])
def test_kl_presets_are_the_public_sizes(name: str, million: float, grid: int) -> None:
    spec = AutoencoderKl.preset(name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in spec.build().parameters())
    assert count / 1e6 == pytest.approx(million, abs=0.01)
    assert spec.grid == grid


def test_dc_ae_is_the_one_of_blip3os_decoder(parity: Any) -> None:
    recorded = load_file(Path(__file__).parent / "data" / "dc_ae.safetensors")
    spec = DcAe(
        image_size=32,
        channels=8,
        widths=(8, 16, 32),
        encoder_layers=(1, 1, 1),
        decoder_layers=(1, 2, 1),
        attention_from=2,
        head_width=8,
        scaling_factor=0.41407,
    )
    module = spec.build()
    module.model.load_state_dict({k.removeprefix("weights."): v for k, v in recorded.items() if "weights." in k})
    source = "BLIP3-o's decoder, recorded"
    parity("dc-ae", source, "latents", module.raw_latents(recorded["x"]), recorded["latent"], atol=5e-5)
    parity("dc-ae", source, "pixels", module.raw_pixels(recorded["latent"]), recorded["dec"], atol=5e-5)


@pytest.mark.parametrize(
    ("name", "million", "grid"), [("sana-f32c32", 312.25, 32), ("f32c32-in", 323.4, 16), ("f64c128-in", 677.3, 8)]
)
def test_dc_presets_are_the_public_sizes(name: str, million: float, grid: int) -> None:
    spec = DcAe.preset(name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in spec.build().parameters())
    assert count / 1e6 == pytest.approx(million, rel=0.01)
    assert spec.grid == grid


def test_weights_of_another_dc_ae_are_refused_with_every_difference(tmp_path: Path) -> None:
    official(SPECS[3], tmp_path)
    with pytest.raises(CheckpointError) as error:
        with_weights(SPECS[2], tmp_path)
    for words in ("encoder_layers", "decoder_layers", "scales", "resample", "batch_norm"):
        assert f"{words}: the checkpoint has" in str(error.value)


OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def test_the_old_names_of_attention_in_public_kl_files_load(tmp_path: Path) -> None:
    """Files of Stable Diffusion's first years call the maps of attention query, key, value and proj_attn."""
    from safetensors.torch import save_file

    model, file = official(SPECS[0], tmp_path), tmp_path / "diffusion_pytorch_model.safetensors"
    renamed = {}
    for name, value in load_file(file).items():
        for new, old in OLD_NAMES.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        renamed[name] = value
    assert any("proj_attn" in name for name in renamed)
    save_file(renamed, file, metadata={"format": "pt"})
    ours = with_weights(SPECS[0], tmp_path)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in ours.model.state_dict().items())


def test_everything_wrong_with_a_checkpoint_is_said_at_once(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    official(SPECS[1], tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["decoder.layers.0.weight"]
    tensors["decoder.layers.99.weight"] = torch.zeros(2)
    tensors["encoder.layers.0.bias"] = torch.zeros(7)
    tensors["encoder.layers.0.weight"] = tensors["encoder.layers.0.weight"].to(torch.int8)
    tensors["decoder.layers.0.bias"][0] = float("inf")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError) as error:
        with_weights(SPECS[1], tmp_path)
    for line in (
        "missing: decoder.layers.0.weight",
        "unexpected: decoder.layers.99.weight",
        "shape of encoder.layers.0.bias: [7] in the file, [8] in the model",
        "type of encoder.layers.0.weight: torch.int8 in the file",
        "values of decoder.layers.0.bias: NaN or infinity",
    ):
        assert line in str(error.value)


def test_tiny_presets_are_the_public_sizes() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in AutoencoderTiny.preset("taesd").build().parameters())
    assert count / 1e6 == pytest.approx(2.445, abs=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoencoderKl(**{**KL, "image_size": 18}), "18 is not a multiple of 4.*16 is"),
        (lambda: AutoencoderKl(**{**KL, "norm_groups": 5}), "4 groups would do"),
        (lambda: AutoencoderTiny(**{**TINY, "image_size": 3}), "4 is"),
        (lambda: AutoencoderTiny(**{**TINY, "blocks": ()}), "blocks"),
        (lambda: DcAe(**{**DC, "encoder_layers": (1, 1)}), "encoder_layers has 2 numbers for the 3"),
        (lambda: DcAe(**{**DC, "channels": 6}), "channels 6 do not divide.*16; 4 do"),
        (lambda: DcAe(**{**DC, "head_width": 3}), "widths 16 are not multiples of head_width 3"),
    ],
)
def test_impossible_sizes_say_what_would_do(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
