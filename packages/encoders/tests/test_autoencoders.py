"""Both autoencoders against the official classes, and their own loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL as OfficialKl
from diffusers import AutoencoderTiny as OfficialTiny
from einops import rearrange
from torch import Generator, Tensor

from diptych.errors import CheckpointError
from diptych_encoders.autoencoder_kl import AutoencoderKl
from diptych_encoders.autoencoder_tiny import AutoencoderTiny


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
SPECS = [AutoencoderKl(**KL), AutoencoderTiny(**TINY, scaling_factor=0.7, shift_factor=-0.2)]


def pixels(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=Generator().manual_seed(0)) * 2 - 1


def official(spec: AutoencoderKl | AutoencoderTiny, folder: Path) -> OfficialKl | OfficialTiny:
    torch.manual_seed(1)
    model: OfficialKl | OfficialTiny
    if isinstance(spec, AutoencoderKl):
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


def with_weights(spec: AutoencoderKl | AutoencoderTiny, folder: Path) -> Any:
    import attrs

    spec = attrs.evolve(spec, weights=str(folder))
    module = spec.build()
    spec.load_weights(module)
    return module


@pytest.mark.parametrize("spec", SPECS)
def test_both_ways_and_gradients_equal_the_official_ones(spec: Any, tmp_path: Path) -> None:
    model = official(spec, tmp_path)
    ours = with_weights(spec, tmp_path)
    encoded = model.encode(pixels())
    raw = encoded.latent_dist.mean if isinstance(model, OfficialKl) else encoded.latents
    tokens = rearrange(raw, "b c h w -> b (h w) c")
    expected = (tokens - spec.shift_factor) * spec.scaling_factor
    latents = ours.encode(pixels())
    torch.testing.assert_close(latents, expected, atol=1e-5, rtol=0)

    painted, theirs = ours.decode(latents), model.decode(raw).sample
    torch.testing.assert_close(painted, theirs.clamp(-1, 1), atol=1e-5, rtol=0)
    painted.square().sum().backward()
    theirs.clamp(-1, 1).square().sum().backward()
    official_grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    largest = max(float(grad.abs().max()) for grad in official_grads.values())
    for name, parameter in ours.model.named_parameters():
        torch.testing.assert_close(parameter.grad / largest, official_grads[name] / largest, atol=1e-5, rtol=0)


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
    random = isinstance(spec, AutoencoderKl) or spec.latent_noise > 0
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
    from safetensors.torch import load_file, save_file

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
    ],
)
def test_impossible_sizes_say_what_would_do(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
