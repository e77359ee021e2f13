"""SDXL's U-Net against the official class, and what every network promises."""

import json

import pytest
import torch
from attrs import evolve
from diffusers import UNet2DConditionModel
from head_cases.official import assert_same_gradients, off, written
from head_cases.small import normal
from safetensors.torch import load_file, save_file

from diptych.errors import CheckpointError
from diptych_heads.networks.sdxl_unet_spec import SdxlUnet


SPEC = SdxlUnet(
    widths=(8, 16),
    blocks=1,
    attention_layers=(0, 1),
    head_width=8,
    norm_groups=4,
    size_width=4,
    sizes=(32, 24, 1, 2, 32, 32),
    channels=3,
    height=4,
    width=4,
    condition_width=6,
)
OFFICIAL = {
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 1),
    "attention_head_dim": (1, 2),
    "norm_num_groups": 4,
    "cross_attention_dim": 6,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 6 + 6 * 4,
    "use_linear_projection": True,
}


def inputs(dtype=torch.float32):
    x, condition = normal(3, 3, 4, 4), normal(3, 5, 6, seed=1)
    return x.to(dtype), torch.tensor([0.1, 0.5, 1.0], dtype=dtype), condition.to(dtype)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("unet")
    return folder, written(UNet2DConditionModel(**OFFICIAL), folder)


@pytest.fixture(scope="module")
def network(checkpoint):
    spec = evolve(SPEC, weights=str(checkpoint[0]))
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


def test_outputs_and_gradients_equal_the_official_ones(checkpoint, network, parity):
    official = checkpoint[1]
    x, t, condition = inputs()
    ours = network(x, t, network.prepare(condition))
    added = {
        "text_embeds": condition.mean(1),
        "time_ids": torch.tensor([[32.0, 24.0, 1.0, 2.0, 32.0, 32.0]]).repeat(3, 1),
    }
    theirs = official(x, 1000 * t, condition, added_cond_kwargs=added).sample
    named = "network `sdxl-unet`", "diffusers UNet2DConditionModel"
    parity(*named, "outputs", off(ours, theirs), 1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    error = assert_same_gradients(network.model, official)
    parity(*named, "gradients, as shares of the largest", error, 1e-5)


def test_places_of_a_table_are_told_from_0(checkpoint, network):
    """SDXL is told place 0 where its table has one step of noise: t = 1 / 1000."""
    told = evolve(SPEC, first_time=-1.0).build()
    told.load_state_dict(network.state_dict())
    x, _, condition = inputs()
    added = {"text_embeds": condition.mean(1), "time_ids": torch.tensor(SPEC.sizes).repeat(3, 1)}
    with torch.no_grad():
        ours = told(x, torch.tensor([0.001, 0.5, 1.0]), told.prepare(condition))
        places = torch.tensor([0.0, 499.0, 999.0])
        theirs = checkpoint[1](x, places, condition, added_cond_kwargs=added).sample
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert SdxlUnet.preset("sdxl").first_time == -1


def test_padding_of_the_condition_does_not_matter(network):
    network = network.double()
    x, t, condition = inputs(torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [False] * 5])
    other = torch.where(mask[..., None], condition, 100 * condition)
    with torch.no_grad():
        padded = network(x, t, network.prepare(other, mask))
        alone = network(x[1:2], t[1:2], network.prepare(condition[1:2, :3]))
    torch.testing.assert_close(padded[1:2], alone, atol=1e-11, rtol=0)
    assert padded.isfinite().all()
    network.float()


def test_sizes_and_mean_matter(network):
    x, t, condition = inputs()
    told = evolve(SPEC, sizes=(512, 512, 0, 0, 512, 512)).build()
    told.load_state_dict(network.state_dict())
    with torch.no_grad():
        base = network(x, t, network.prepare(condition))
        assert (told(x, t, told.prepare(condition)) - base).abs().max() > 1e-4
        context = network.prepare(condition)
        assert torch.equal(context.pooled, condition.mean(1))
        shifted = context._replace(pooled=context.pooled + 1)
        assert (network(x, t, shifted) - base).abs().max() > 1e-4


def test_traces_whole():
    torch._dynamo.reset()
    spec = evolve(SPEC, widths=(8,), attention_layers=(1,))
    network = spec.build()
    x, t, condition = inputs()
    context = network.prepare(condition)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x, t, context), network(x, t, context))


def test_preset_is_the_public_size():
    with torch.device("meta"):
        network = SdxlUnet.preset("sdxl", height=128, width=128, condition_width=1792).build()
    shapes = {name: list(each.shape) for name, each in network.model.named_parameters()}
    assert shapes["add_embedding.linear_1.weight"] == [1280, 3328]
    attention = "down_blocks.1.attentions.0.transformer_blocks.1.attn2"
    assert shapes[f"{attention}.to_k.weight"] == [640, 1792]
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(2.5255e9, rel=1e-4)


def test_weights_that_do_not_fit_are_refused_whole(checkpoint, tmp_path):
    folder = checkpoint[0]
    spec = evolve(SPEC, norm_groups=2, head_width=4, weights=str(folder))
    module = spec.build()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"norm_num_groups: the checkpoint has 4, the spec 2"
    ) as e:
        spec.load_weights(module)
    assert "attention_head_dim: the checkpoint has (1, 2), the spec (2, 4)" in str(e.value)
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    tensors["conv_in.weight"][0, 0, 0, 0] = float("nan")
    tensors["odd"] = torch.zeros(1)
    del tensors["conv_out.bias"]
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    save_file(tensors, tmp_path / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    spec = evolve(SPEC, weights=str(tmp_path))
    module = spec.build()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        spec.load_weights(module)
    for words in ("missing: conv_out.bias", "unexpected: odd", "conv_in.weight: holds NaN"):
        assert words in str(error.value)
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        spec.load_weights(module)
    spec = evolve(SPEC, weights=str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        spec.load_weights(module)


def test_config_is_what_the_official_class_writes(checkpoint):
    stored = json.loads((checkpoint[0] / "config.json").read_text())
    for key, value in SPEC.config().items():
        given = stored[key]
        assert (tuple(given) if isinstance(given, list) else given) == value


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attention_layers": (1,)}, "1 levels and widths 2"),
        ({"attention_layers": (0, 0)}, "nothing would read the condition"),
        ({"norm_groups": 3}, "width 8 is no multiple of norm_groups 3"),
        ({"head_width": 5}, "width 16 is no multiple of head_width 5"),
    ],
)
def test_impossible_levels(fields, message):
    with pytest.raises(ValueError, match=message):
        evolve(SPEC, **fields)
