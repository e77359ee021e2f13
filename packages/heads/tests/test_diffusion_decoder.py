"""The decoder that denoises: against a loop written with diffusers' own classes, and in a stage."""

import pytest
import torch
from attrs import evolve
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UNet2DConditionModel,
)
from einops import rearrange
from head_cases.official import moved, off
from head_cases.small import normal
from PIL import Image
from torch import nn

from diptych import load
from diptych.assemble import build
from diptych.data.preprocess import signed_pixels
from diptych.data.squares import Squares
from diptych.errors import RequestError
from diptych.ports import Port, Ports
from diptych.seeds import generators, noise
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure
from diptych.training.run import train
from diptych_heads.decoders.diffusion_spec import Diffusion
from diptych_heads.guidance.specs import ClassifierFree, TextAndImage
from diptych_heads.networks.sdxl_unet_spec import SdxlUnet
from diptych_heads.noise_schedules.specs import ScaledLinear
from diptych_heads.samplers.specs import Euler


NETWORK = SdxlUnet(
    widths=(8,), blocks=1, attention_layers=(1,), head_width=4, norm_groups=4, size_width=4,
    channels=3, height=4, width=4, condition_width=5,
)  # fmt: skip
FEATURES = {"channels": 5, "height": 2, "width": 2}
PIXELS = Diffusion(
    network=NETWORK, sampler=Euler(steps=4), image_size=4,
    latent_channels=3, latent_height=4, latent_width=4, **FEATURES,
)  # fmt: skip


class Kl(nn.Module):
    """The official autoencoder with latents as tokens, as the contract of autoencoders has them."""

    def __init__(self) -> None:
        super().__init__()
        blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "latent_channels": 3}
        self.model = AutoencoderKL(
            block_out_channels=(4, 4), up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=2,
            **blocks,
        )  # fmt: skip

    def encode(self, pixels):
        return rearrange(self.model.encode(pixels).latent_dist.mean, "b c h w -> b (h w) c") * 0.5

    def decode(self, latents):
        grid = rearrange(latents / 0.5, "b (h w) c -> b c h w", h=4)
        return self.model.decode(grid).sample.clamp(-1, 1)


def latent_decoder(**fields):
    torch.manual_seed(0)
    ports = Ports(
        inputs={"image": Port("b 3 8 8")}, outputs={"latents": Port("b (4 4) 3", "latents")}
    )
    part = InlinePart("autoencoder", Kl(), ports)
    spec = evolve(PIXELS, autoencoder=part, image_size=8, **fields)
    return moved(spec.build(), by=0.1)


def test_pictures_equal_a_loop_over_the_official_classes(parity):
    decoder = latent_decoder()
    features = normal(2, 4, 5)
    unet: UNet2DConditionModel = decoder.network.model
    steps = FlowMatchEulerDiscreteScheduler()
    steps.set_timesteps(sigmas=[1, 0.75, 0.5, 0.25])
    x = rearrange(noise((16, 3), generators([3, 4]), like=features), "b (h w) c -> b c h w", h=4)
    tokens = torch.cat(
        [features, torch.zeros_like(features)]
    )  # [conditional, null], as Emu2 has it
    added = {
        "text_embeds": tokens.mean(1),
        "time_ids": torch.tensor([[1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0]]).repeat(4, 1),
    }
    with torch.no_grad():
        for t in steps.timesteps:
            both = unet(torch.cat([x, x]), t, tokens, added_cond_kwargs=added).sample
            conditional, null = both.chunk(2)
            x = steps.step(null + 3.0 * (conditional - null), t, x).prev_sample
        wanted = decoder.autoencoder.model.decode(x / 0.5).sample.clamp(-1, 1)
        drawn = decoder(features, generators([3, 4]))
    assert drawn.shape == (2, 3, 8, 8)
    source = "diffusers UNet2DConditionModel, FlowMatchEuler and AutoencoderKL"
    parity("decoder `diffusion`", source, "pixels, 4 guided steps", off(drawn, wanted), 1e-5)


def test_loss_is_the_error_of_the_velocity_between_latents_and_noise(generator):
    decoder = latent_decoder(drop_source=0.0).train()
    features, pixels = normal(3, 4, 5), normal(3, 3, 8, 8, seed=1).tanh()
    losses = decoder.loss(features, pixels, generator)
    again = torch.Generator().manual_seed(0)
    t = 1 - torch.rand(3, generator=again)
    drawn = torch.randn(3, 16, 3, generator=again)
    latents = decoder.autoencoder.encode(pixels)
    mixed = (1 - t)[:, None, None] * latents + t[:, None, None] * drawn
    image = rearrange(mixed, "b (h w) c -> b c h w", h=4)
    found = decoder.network(image, t, decoder.network.prepare(features))
    wanted = drawn - latents - rearrange(found, "b c h w -> b (h w) c")
    torch.testing.assert_close(losses, wanted.square().mean((1, 2)), atol=1e-5, rtol=1e-5)
    losses.mean().backward()
    assert all(each.grad is None for each in decoder.autoencoder.parameters())
    assert all(each.grad is not None for each in decoder.network.parameters())
    assert set(decoder.fixed_parameters()) == set(decoder.autoencoder.parameters())


@pytest.mark.parametrize("null", ["zeros", "black-picture"])
def test_dropped_sources_become_the_null(null, generator):
    decoder = moved(evolve(PIXELS, drop_source=1.0, null=null).build(), by=0.1)
    black = normal(4, 5, seed=7)
    decoder.fit_null(black)
    features, pixels = normal(3, 4, 5), normal(3, 3, 4, 4, seed=1).tanh()
    dropped = decoder.loss(features, pixels, generator)
    stand_in = black if null == "black-picture" else torch.zeros(4, 5)
    decoder.pieces["drop_condition"] = 0.0
    wanted = decoder.loss(stand_in.expand(3, 4, 5), pixels, torch.Generator().manual_seed(0))
    torch.testing.assert_close(dropped, wanted)
    assert (
        wanted - decoder.loss(features, pixels, torch.Generator().manual_seed(0))
    ).abs().max() > 1e-5


def test_guidance_starts_from_the_null(generator):
    """At scale 0 only the null prediction is left: all pictures of one seed are the same."""
    spec = evolve(PIXELS, null="black-picture", guidance=ClassifierFree(scale=0.0))
    decoder = moved(spec.build(), by=0.1)
    decoder.fit_null(normal(4, 5, seed=7))
    drawn = decoder(normal(2, 4, 5), generators([5, 5]))
    assert torch.equal(drawn[0], drawn[1])
    plain = moved(evolve(spec, guidance=None).build(), by=0.1)
    black = normal(4, 5, seed=7)[None]
    plain.load_state_dict(decoder.state_dict())
    torch.testing.assert_close(plain(black, generators([5])), drawn[:1])


def test_a_null_that_is_not_known_is_refused(generator):
    decoder = evolve(PIXELS, null="black-picture").build()
    with pytest.raises(RequestError, match="black picture"):
        decoder(normal(1, 4, 5))
    with pytest.raises(RequestError, match="fit_null"):
        decoder.loss(normal(1, 4, 5), normal(1, 3, 4, 4), generator)
    with pytest.raises(RequestError, match="features that are painted for a space yet"):
        evolve(PIXELS, null="painted-space").build()(normal(1, 4, 5))
    with pytest.raises(ValueError, match=r"\[3, 5\] where \[4, 5\]"):
        decoder.fit_null(normal(3, 5))
    decoder.fit_null(normal(4, 5))
    other = evolve(PIXELS, null="black-picture").build()
    other.load_state_dict(decoder.state_dict())
    assert other(normal(1, 4, 5)).isfinite().all()


def test_what_no_decoder_can_do_is_refused():
    with pytest.raises(ValueError, match="classifier-free or projected, or none"):
        evolve(PIXELS, guidance=TextAndImage())
    with pytest.raises(ValueError, match="take the prediction v"):
        evolve(PIXELS, prediction="noise")
    assert evolve(PIXELS, prediction="noise", noise_schedule=ScaledLinear(zero_terminal=False))


def test_without_generators_every_picture_has_the_noise_of_seed_0():
    decoder = moved(PIXELS.build(), by=0.1)
    features = normal(1, 4, 5).expand(2, -1, -1)
    assert torch.equal(decoder(features), decoder(features, generators([0, 0])))
    drawn = decoder(features, generators([0, 1]))
    assert (drawn[0] - drawn[1]).abs().max() > 1e-3
    assert drawn.abs().max() <= 1


MODEL = {
    "name": "drawer",
    "backbone": {"type": "plain-transformer", "width": 8, "layers": 1, "heads": 2},
    "tokenizer": {"type": "bytes"},
    "vision": {"eye": {"type": "patches", "image_size": 8, "patch_size": 4}},
    "generate": [
        {
            "name": "features",
            "condition": {"type": "latent-queries", "count": 4},
            "target": "eye",
            "head": {"type": "linear-readout"},
        }
    ],
    "decode": {
        "of": "features",
        "decoder": {
            "type": "diffusion",
            "image_size": 8,
            "null": "black-picture",
            "sampler": {"type": "euler", "steps": 2},
            "network": {
                "type": "sdxl-unet", "widths": [8], "blocks": 1, "attention_layers": [1],
                "head_width": 4, "norm_groups": 4, "size_width": 4,
            },
        },
    },
}  # fmt: skip
RECIPE = {
    "name": "draw",
    "model": "given",
    "data": {"squares": {"type": "squares", "image_size": 8, "task": "paint"}},
    "stages": [
        {
            "name": "decoder", "train": ["decode.decoder"], "mixture": {"squares": 1}, "steps": 20,
            "batch": 4, "lr": 1e-2, "warmup": 0,
            "losses": {"draw": {"objective": {"type": "reconstruct"}}},
        }
    ],
}  # fmt: skip


def test_it_trains_in_a_stage_and_survives_a_checkpoint(tmp_path):
    model = build(structure(MODEL, ModelSpec))
    assert model.spec.decode.decoder.network.condition_width == 3 * 4 * 4
    assert model.spec.decode.decoder.network.height == 8
    decoder, square = model.parts.decoder, Squares(image_size=8, task="paint").build().sample(0)
    features = model.encode("eye", model.pixels("eye", [square.picture_to_make()])).expand(
        16, -1, -1
    )
    pixels = signed_pixels([square.picture_to_make()], (8, 8)).expand(16, -1, -1, -1)
    decoder.fit_null(torch.zeros(4, 48))
    before = decoder.loss(features, pixels, torch.Generator().manual_seed(0)).mean()
    train(structure(RECIPE, Recipe), tmp_path, model=model, quiet=True)
    after = decoder.loss(features, pixels, torch.Generator().manual_seed(0)).mean()
    assert after < 0.6 * before
    black = model.encode("eye", model.pixels("eye", [Image.new("RGB", (9, 9))]))
    assert torch.equal(decoder.null, black[0])
    again = load(tmp_path / "model")
    assert torch.equal(again.to_pixels(features[:1], [1]), model.to_pixels(features[:1], [1]))


def test_sdxls_preset_mixes_noise_as_sdxl_does() -> None:
    """The rest of it is held against a loop over diffusers' classes in tests/integration."""
    schedule = Diffusion.preset("blip3o", autoencoder=None).noise_schedule.build()
    table = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    ).alphas_cumprod
    times = torch.tensor([1 / 1000, 1.0])
    kept = schedule.alpha(times) ** 2
    torch.testing.assert_close(kept, table[[0, -1]], rtol=1e-4, atol=1e-5)
