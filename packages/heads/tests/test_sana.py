"""SANA's denoiser against the official class, and what every network promises."""

from types import SimpleNamespace

import pytest
import torch
from attrs import evolve
from diffusers import SanaTransformer2DModel
from head_cases.official import assert_same_gradients, moved, off, written
from head_cases.small import normal
from torch import nn

from diptych.connectors.normed import MlpNormConnector
from diptych.errors import CheckpointError
from diptych_heads.networks.sana import LinearAttention
from diptych_heads.networks.sana_spec import Sana


SPEC = Sana(
    heads=4, head_width=4, cross_heads=2, layers=2, qk_norm=True,
    channels=3, height=4, width=6, condition_width=6, caption_width=6,
)  # fmt: skip
OFFICIAL = {
    "in_channels": 3,
    "out_channels": 3,
    "num_attention_heads": 4,
    "attention_head_dim": 4,
    "num_layers": 2,
    "num_cross_attention_heads": 2,
    "cross_attention_head_dim": 8,
    "cross_attention_dim": 16,
    "caption_channels": 6,
    "sample_size": 6,
    "qk_norm": "rms_norm_across_heads",
}
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] * 5])


def inputs(dtype=torch.float32):
    x, condition = normal(3, 3, 4, 6), normal(3, 5, 6, seed=1)
    return x.to(dtype), torch.tensor([0.1, 0.5, 1.0], dtype=dtype), condition.to(dtype)


@pytest.mark.parametrize("patch_size", [1, 2])
def test_outputs_and_gradients_equal_the_official_ones(patch_size, tmp_path, parity):
    torch.manual_seed(0)
    official = written(SanaTransformer2DModel(**OFFICIAL, patch_size=patch_size), tmp_path)
    spec = evolve(SPEC, patch_size=patch_size, weights=str(tmp_path))
    network = spec.build()
    spec.load_weights(network)
    x, t, condition = inputs()
    ours = network(x, t, network.prepare(condition, MASK))
    theirs = official(x, condition, 1000 * t, encoder_attention_mask=MASK).sample
    named = "network `sana`", "diffusers SanaTransformer2DModel"
    parity(*named, "outputs", off(ours, theirs), 1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    error = assert_same_gradients(network.transformer, official)
    parity(*named, "gradients, as shares of the largest", error, 1e-5)


def test_sums_of_the_linear_attention_stay_sharp_under_autocast():
    given = dict(zip(("to_q", "to_k", "to_v"), normal(3, 2, 64, 16), strict=True))
    projections = {name: lambda _, each=each: each for name, each in given.items()}
    attention = SimpleNamespace(**projections, norm_q=None, heads=4, to_out=[nn.Identity()] * 2)
    exact = LinearAttention()(attention, normal(2, 64, 16))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(LinearAttention()(attention, normal(2, 64, 16)), exact)


def test_padding_of_the_condition_does_not_matter():
    network = moved(SPEC.build()).double()
    x, t, condition = inputs(torch.float64)
    other = torch.where(MASK[..., None], condition, 100 * condition)
    with torch.no_grad():
        padded = network(x, t, network.prepare(other, MASK))
        alone = network(x[1:2], t[1:2], network.prepare(condition[1:2, :3]))
        torch.testing.assert_close(padded[1:2], alone, atol=1e-12, rtol=0)
        empty = network(x, t, network.prepare(condition, torch.zeros_like(MASK)))
    assert empty.isfinite().all()


def test_the_condition_is_projected_once_a_call(monkeypatch):
    network, calls = moved(SPEC.build()), []
    projection = network.transformer.caption_projection
    monkeypatch.setattr(
        projection, "forward", lambda x: calls.append(1) or projection.linear_1(x).repeat(1, 1, 1)
    )
    x, t, condition = inputs()
    with torch.no_grad():
        context = network.prepare(condition)
        for _ in range(3):
            network(x, t, context)
    assert len(calls) == 1


def test_a_connector_widens_the_condition():
    spec = evolve(
        SPEC, connector=MlpNormConnector.preset("sana", in_width=7, out_width=6), condition_width=7
    )
    network = spec.build()
    assert network.connector[3].weight[0].item() == pytest.approx(2.3452, abs=1e-4)
    x, t, _ = inputs()
    wide = normal(3, 5, 7)
    through = network.connector(wide)
    plain = SPEC.build()
    plain.transformer.load_state_dict(network.transformer.state_dict())
    with torch.no_grad():
        both = network(x, t, network.prepare(wide)), plain(x, t, plain.prepare(through))
    assert torch.equal(*both)


def test_traces_whole():
    torch._dynamo.reset()
    network = evolve(SPEC, layers=1).build()
    x, t, condition = inputs()
    context = network.prepare(condition, MASK)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x, t, context), network(x, t, context))


@pytest.mark.parametrize(("name", "million"), [("1.6b-512", 1604.5), ("0.6b-1024", 591.7)])
def test_presets_are_the_public_sizes(name, million):
    with torch.device("meta"):
        network = Sana.preset(name, condition_width=2304).build()
    assert sum(each.numel() for each in network.parameters()) / 1e6 == pytest.approx(
        million, abs=0.1
    )


def test_weights_that_do_not_fit_are_refused(tmp_path):
    written(SanaTransformer2DModel(**OFFICIAL), tmp_path)
    spec = evolve(SPEC, heads=8, head_width=2, weights=str(tmp_path))
    with pytest.raises(
        CheckpointError, match="num_attention_heads: the checkpoint has 4, the spec 8"
    ):
        spec.load_weights(spec.build())


def test_cross_heads_must_divide():
    with pytest.raises(ValueError, match="cross_heads 3 must divide"):
        evolve(SPEC, cross_heads=3)
