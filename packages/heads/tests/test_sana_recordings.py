"""SANA and the decoder around it against recordings of the SigLIP2 -> SANA code of BLIP3-o."""

import json

import pytest
import torch
from attrs import evolve
from diffusers import AutoencoderDC
from einops import rearrange
from head_cases.official import off
from head_cases.recordings import DATA, recorded
from torch import nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from diptych.connectors.normed import MlpNormConnector
from diptych.ports import Port, Ports
from diptych.seeds import generators
from diptych.spec.part import InlinePart
from diptych_heads.decoders.diffusion_spec import Diffusion
from diptych_heads.heads import flow_matching
from diptych_heads.networks.sana_spec import Sana
from diptych_heads.samplers.specs import Euler


FACTS = json.loads((DATA / "sana_decoder.json").read_text())
SPEC = Sana(
    heads=4, head_width=8, cross_heads=2, layers=2, channels=8, height=8, width=8,
    connector=MlpNormConnector(in_width=32, out_width=24), condition_width=32, caption_width=24,
)  # fmt: skip


def weights(prefix: str) -> dict[str, torch.Tensor]:
    mark = f"weights.{prefix}."
    found = recorded("sana_decoder").items()
    return {key.removeprefix(mark): value for key, value in found if key.startswith(mark)}


class Dc(nn.Module):
    """The official autoencoder with scaled latents as tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.model = AutoencoderDC(**FACTS["vae"])
        self.model.load_state_dict(weights("vae"))
        self.scale = FACTS["vae"]["scaling_factor"]

    def encode(self, pixels):
        latents = self.model.encode(pixels).latent * self.scale
        return rearrange(latents, "b c h w -> b (h w) c")

    def decode(self, latents):
        grid = rearrange(latents, "b (h w) c -> b c h w", h=8) / self.scale
        return self.model.decode(grid).sample.clamp(-1, 1)


def siglip(image: torch.Tensor) -> torch.Tensor:
    """Encode as the original does: the last state but one, pooled to 2 x 2."""
    model = SiglipVisionModel(SiglipVisionConfig(**FACTS["siglip"])).eval()
    found = {
        key.removeprefix("vision_model."): value for key, value in weights("encoder.model").items()
    }
    own = model.state_dict()
    model.load_state_dict(
        {key: found[key.removeprefix("vision_model.")] for key in own if "head" not in key},
        strict=False,
    )
    with torch.no_grad():
        states = model(image, output_hidden_states=True).hidden_states[-2]
    grid = rearrange(states, "b (h w) d -> b d h w", h=4)
    pooled = torch.nn.functional.adaptive_avg_pool2d(grid, 2)
    return rearrange(pooled, "b d h w -> b (h w) d")


@pytest.fixture
def network():
    network = SPEC.build().eval()
    network.load_state_dict(weights("transformer"))
    return network


@pytest.fixture
def decoder(network):
    ports = Ports(inputs={"image": Port("b 3 32 32")}, outputs={"latents": Port("b (8 8) 8")})
    spec = Diffusion(
        network=SPEC, autoencoder=InlinePart("autoencoder", Dc(), ports), null="black-picture",
        drop_source=0.0, sampler=Euler(steps=5), image_size=32, channels=32, height=2, width=2,
        latent_channels=8, latent_height=8, latent_width=8,
    )  # fmt: skip
    decoder = spec.build().eval()
    decoder.network = network
    return decoder


def test_connector(network, parity):
    data = recorded("sana_decoder")
    out = network.connector(data["enc.pooled"])
    named = "network `sana`", "recordings of BLIP3-o's SANA decoder"
    parity(*named, "connector", off(out, data["connector.out"]), 1e-5)


def test_one_prediction_and_its_gradients(network, parity):
    data = recorded("sana_decoder")
    x, z = data["sana.x"].requires_grad_(), data["enc.pooled"].requires_grad_()
    out = network(x, data["sana.timestep"] / 1000, network.prepare(z))
    named = "network `sana`", "recordings of BLIP3-o's SANA decoder"
    parity(*named, "outputs", off(out, data["sana.out"]), 2e-5)
    out.square().mean().backward()
    torch.testing.assert_close(x.grad, data["sana.grad_x"], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(z.grad, data["sana.grad_z"], atol=1e-6, rtol=1e-4)
    named = dict(network.transformer.named_parameters())
    checked = [key.removeprefix("sana.grad.") for key in data if key.startswith("sana.grad.")]
    assert len(checked) == 4
    for name in checked:
        torch.testing.assert_close(
            named[name].grad, data[f"sana.grad.{name}"], atol=1e-6, rtol=1e-4
        )


def test_one_prediction_in_float64(network, parity):
    data, network = recorded("sana_decoder"), network.double()
    x, t = data["sana.x"].double(), data["sana.timestep"].double() / 1000
    out = network(x, t, network.prepare(data["enc.pooled"].double()))
    # the original sums attention in float32, and the sinusoid of the time has float32 frequencies
    named = "network `sana`", "recordings of BLIP3-o's SANA decoder"
    parity(*named, "outputs, float64", off(out, data["sana.out_f64_asis"]), 1e-5)


def test_qk_norm():
    data = recorded("sana_qknorm")
    spec = evolve(SPEC, layers=1, qk_norm=True, connector=None, condition_width=24)
    network = spec.build()
    found = {
        key.removeprefix("weights."): value
        for key, value in data.items()
        if key.startswith("weights.")
    }
    network.transformer.load_state_dict(found)
    context = network.prepare(data["encoder_hidden_states"])
    out = network(data["x"], data["timestep"] / 1000, context)
    torch.testing.assert_close(out, data["out"], atol=2e-5, rtol=1e-5)


def test_training_loss(decoder, monkeypatch, generator):
    data = {
        key.removeprefix("recon.train."): value
        for key, value in recorded("sana_decoder").items()
        if key.startswith("recon.train.")
    }
    monkeypatch.setattr(
        flow_matching, "normal_like", lambda *_: rearrange(data["noise"], "b c h w -> b (h w) c")
    )
    t = (1000 - (data["u"] * 1000).floor()) / 1000
    decoder.pieces["timesteps"] = type("Given", (), {"draw": lambda *_: t})()
    latents = rearrange(data["latents"], "b c h w -> b (h w) c")
    with torch.no_grad():
        own = decoder.autoencoder.encode(data["x_target"])
    torch.testing.assert_close(own, latents, atol=5e-5, rtol=0)
    decoder.fit_null(torch.zeros(4, 32))
    loss = decoder.loss(siglip(data["x_source"]), data["x_target"], generator).mean()
    torch.testing.assert_close(loss, data["loss"], rtol=1e-5, atol=0)
    loss.backward()
    named = dict(decoder.network.named_parameters())
    for key, value in data.items():
        if key.startswith("grad."):
            torch.testing.assert_close(
                named[key.removeprefix("grad.")].grad, value, rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("steps", [5, 30])
def test_pictures(decoder, steps, monkeypatch, parity):
    data = recorded("sana_decoder")
    features = siglip(data["enc.image"])
    torch.testing.assert_close(features, data["enc.pooled"], atol=1e-4, rtol=0)
    null = data["dpm_s5.z_null_then_cond"][0]
    decoder.fit_null(null)
    decoder.sampler = Euler(steps=steps).build()
    first = rearrange(data[f"recon.euler_s{steps}.init_latents"], "b c h w -> b (h w) c")
    monkeypatch.setattr(flow_matching, "draw_noise", lambda *_, **__: first)
    made = {}
    decode = decoder.autoencoder.decode
    monkeypatch.setattr(decoder.autoencoder, "decode", lambda x: made.update(x=x) or decode(x))
    with torch.no_grad():
        drawn = decoder(features, generators([0, 1]))
    final = rearrange(data[f"recon.euler_s{steps}.final_latents"], "b c h w -> b (h w) c")
    named = "decoder `diffusion`", "recordings of BLIP3-o's SANA decoder"
    parity(*named, f"latents, {steps} Euler steps", off(made["x"], final), 2e-4)
    whole = ((drawn / 2 + 0.5) * 255).round().permute(0, 2, 3, 1)
    assert (whole - data[f"recon.euler_s{steps}.image_u8"].float()).abs().max() <= 1
