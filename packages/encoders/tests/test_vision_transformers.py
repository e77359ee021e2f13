"""CLIP and SigLIP against the official classes, and what their specs promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange, reduce
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from diptych.errors import CheckpointError
from diptych_encoders.clip import Clip
from diptych_encoders.modules.positions import sin_cos_grid
from diptych_encoders.siglip import Siglip


SIZES = {
    "hidden_width": 32,
    "depth": 3,
    "heads": 4,
    "mlp_width": 48,
    "image_size": 32,
    "patch_size": 8,
}
OFFICIAL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
Spec = type[Clip] | type[Siglip]


def pixels(count: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=dtype)


def official(spec: Spec, folder: Path) -> CLIPVisionModel | SiglipVisionModel:
    """Write a tiny checkpoint with the official class, every parameter moved off its start."""
    torch.manual_seed(1)
    if spec is Clip:
        model = CLIPVisionModel(CLIPVisionConfig(**OFFICIAL))
    else:
        model = SiglipVisionModel(SiglipVisionConfig(**OFFICIAL))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    return model.eval()


def loaded(spec: Clip | Siglip) -> torch.nn.Module:
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


@pytest.mark.parametrize("layer", [-1, -2, 1])
@pytest.mark.parametrize("spec", [Clip, Siglip])
def test_states_and_gradients_equal_the_official_ones(spec: Spec, layer: int, tmp_path: Path, parity: Any) -> None:
    model, images = official(spec, tmp_path), pixels()
    ours = loaded(spec(**SIZES, layer=layer, weights=str(tmp_path)))
    out = model(images, output_hidden_states=True)
    theirs = out.hidden_states[layer]
    if layer == -1:
        theirs = out.last_hidden_state
    theirs = theirs[:, 1:] if spec is Clip else theirs
    features = ours(images)
    part, source = spec.__name__.lower(), f"transformers {type(model).__name__}"
    parity(part, source, "features", features, theirs)
    features.square().sum().backward()
    theirs.square().sum().backward()
    own = dict(ours.transformer.named_parameters())
    official_grads = {n: p.grad for n, p in model.named_parameters() if n in own}
    parity(part, source, "gradients", {name: each.grad for name, each in own.items()}, official_grads)


@pytest.mark.parametrize(("spec", "expected"), [(Clip, True), (Siglip, False)])
def test_final_norm_can_be_asked_for_and_refused(spec: Spec, expected: bool, tmp_path: Path) -> None:
    model, images = official(spec, tmp_path), pixels()
    states = model(images, output_hidden_states=True).hidden_states[-1]
    theirs = model.post_layernorm(states) if expected else states
    theirs = theirs[:, 1:] if spec is Clip else theirs
    ours = loaded(spec(**SIZES, final_norm=expected, weights=str(tmp_path)))
    torch.testing.assert_close(ours(images), theirs, atol=1e-5, rtol=0)


def test_pooled_feature_and_gradients_equal_the_official_ones(tmp_path: Path, parity: Any) -> None:
    model, images = official(Siglip, tmp_path), pixels()
    ours = loaded(Siglip(**SIZES, pooled=True, weights=str(tmp_path)))
    theirs, feature = model(images).pooler_output[:, None], ours(images)
    parity("siglip", "transformers SiglipVisionModel", "pooled feature", feature, theirs)
    feature.square().sum().backward()
    theirs.square().sum().backward()
    own = {name: each.grad for name, each in ours.transformer.named_parameters()}
    wanted = {name: each.grad for name, each in model.named_parameters()}
    parity("siglip", "transformers SiglipVisionModel", "pooled feature, gradients", own, wanted)


def test_a_pooling_head_must_be_in_the_checkpoint_and_is_only_built_where_it_is_used(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = SiglipVisionModel(SiglipVisionConfig(**OFFICIAL, vision_use_head=False))
    model.save_pretrained(tmp_path)
    assert not hasattr(loaded(Siglip(**SIZES, weights=str(tmp_path))).transformer, "head")
    with pytest.raises(CheckpointError, match=r"missing: head\.attention"):
        loaded(Siglip(**SIZES, pooled=True, weights=str(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": 2}, "leave 'pool' and 'pool_to' out"),
        ({"pool_to": 3}, "leave 'pool' and 'pool_to' out"),
        ({"layer": 1}, "reads the last layer"),
        ({"final_norm": False}, "reads the last layer"),
    ],
)
def test_what_attention_pooling_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Siglip(**SIZES, pooled=True, **changes)


def test_class_token_is_projected_as_clip_does(tmp_path: Path) -> None:
    torch.manual_seed(2)
    config = CLIPVisionConfig(**OFFICIAL, projection_dim=24)
    model = CLIPVisionModelWithProjection(config).eval()
    model.save_pretrained(tmp_path)
    ours = loaded(Clip(**SIZES, project=24, cls="keep", weights=str(tmp_path)))
    theirs = model(pixels()).image_embeds
    torch.testing.assert_close(ours(pixels())[:, 0], theirs, atol=1e-5, rtol=0)


def test_projection_of_another_width_stays_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    official(Clip, tmp_path)
    spec = Clip(**SIZES, project=5, weights=str(tmp_path))
    module = spec.build()
    before = module.projection.weight.clone()
    spec.load_weights(module)
    assert torch.equal(module.projection.weight, before)
    assert "no projection to width 5" in caplog.text


@pytest.mark.parametrize("spec", [Clip, Siglip])
def test_two_tower_checkpoints_load(spec: Spec, tmp_path: Path) -> None:
    text = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 20,
    }
    if spec is Clip:
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=OFFICIAL, projection_dim=16))
    else:
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=OFFICIAL))
    model.eval().save_pretrained(tmp_path)
    ours = loaded(spec(**SIZES, weights=str(tmp_path)))
    theirs = model.vision_model(pixels()).last_hidden_state
    theirs = theirs[:, 1:] if spec is Clip else theirs
    torch.testing.assert_close(ours(pixels()), theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("spec", [Clip, Siglip])
def test_pool_averages_squares_and_keeps_the_class_token(spec: Spec) -> None:
    torch.manual_seed(3)
    plain, pooled = spec(**SIZES).build(), spec(**SIZES, pool=2).build()
    pooled.load_state_dict(plain.state_dict())
    grid = rearrange(plain(pixels()), "b (h w) d -> b d h w", h=4)
    expected = rearrange(torch.nn.functional.avg_pool2d(grid, 2), "b d h w -> b (h w) d")
    torch.testing.assert_close(pooled(pixels()), expected)
    assert reduce(pooled(pixels()), "b n d -> ", "mean").isfinite()
    if spec is Clip:
        kept = Clip(**SIZES, pool=2, cls="keep").build()
        kept.load_state_dict(plain.state_dict())
        torch.testing.assert_close(kept(pixels())[:, 1:], expected)
        assert kept(pixels()).shape == (2, 5, 32)


@pytest.mark.parametrize("spec", [Clip, Siglip])
def test_unit_features_are_the_plain_ones_standardised(spec: Spec) -> None:
    plain, unit = (
        spec(**SIZES, project=6).build(),
        spec(**SIZES, project=6, unit_features=True).build(),
    )
    unit.load_state_dict(plain.state_dict())
    features = plain(pixels())
    expected = torch.nn.functional.layer_norm(features, (6,))
    torch.testing.assert_close(unit(pixels()), expected)


@pytest.mark.parametrize("spec", [Clip, Siglip])
def test_both_ways_of_attention_agree(spec: Spec) -> None:
    quick, plain = spec(**SIZES).build(), spec(**SIZES, attention="eager").build()
    plain.load_state_dict(quick.state_dict())
    assert quick.transformer.config._attn_implementation == "sdpa"
    assert plain.transformer.config._attn_implementation == "eager"
    torch.testing.assert_close(quick(pixels()), plain(pixels()), atol=1e-5, rtol=0)


def test_weights_of_other_sizes_are_refused_with_every_difference(tmp_path: Path) -> None:
    official(Clip, tmp_path)
    spec = Clip(**{**SIZES, "depth": 2, "heads": 8}, weights=str(tmp_path))
    module = spec.build()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"depth: the checkpoint has 3, the spec 2") as error:
        spec.load_weights(module)
    assert "heads: the checkpoint has 4, the spec 8" in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_missing_and_incomplete_checkpoints_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    spec = Clip(**SIZES, weights=str(tmp_path))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        spec.load_weights(spec.build())
    official(Clip, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in tensors if "layers.1.mlp.fc1.weight" in name)
    del tensors[gone]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing: encoder\.layers\.1\.mlp\.fc1\.weight"):
        spec.load_weights(spec.build())
    (tmp_path / "model.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(CheckpointError, match="cannot be read"):
        spec.load_weights(spec.build())


@pytest.mark.parametrize("spec", [Clip, Siglip])
def test_everything_wrong_with_a_checkpoint_is_said_at_once_and_nothing_is_loaded(spec: Spec, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    official(spec, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    inner = "encoder.layers.0."
    (start,) = {name.partition(inner)[0] for name in tensors if inner in name}
    del tensors[f"{start}{inner}mlp.fc1.weight"]
    tensors[f"{start}{inner}mlp.fc3.weight"] = torch.zeros(2)
    tensors[f"{start}{inner}mlp.fc1.bias"] = torch.zeros(47)
    tensors[f"{start}{inner}mlp.fc2.bias"] = torch.zeros(32, dtype=torch.int8)
    tensors[f"{start}{inner}layer_norm1.bias"][3] = float("nan")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    module = spec(**SIZES, weights=str(tmp_path)).build()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        spec(**SIZES, weights=str(tmp_path)).load_weights(module)
    for line in (
        f"missing: {inner}mlp.fc1.weight",
        f"unexpected: {inner}mlp.fc3.weight",
        f"shape of {inner}mlp.fc1.bias: [47] in the file, [48] in the model",
        f"type of {inner}mlp.fc2.bias: torch.int8 in the file",
        f"values of {inner}layer_norm1.bias: NaN or infinity",
    ):
        assert line in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_layers_and_towers_that_are_not_needed_may_be_there_but_nothing_else(tmp_path: Path) -> None:
    official(Siglip, tmp_path)
    loaded(Siglip(**SIZES, layer=1, final_norm=False, weights=str(tmp_path)))


def test_another_image_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes images \[b 3 32 32\], not \[2, 3, 16, 32\]"):
        Clip(**SIZES).build()(torch.zeros(2, 3, 16, 32))


def test_position_table_starts_large_or_as_sin_cos() -> None:
    def table(how: float | str) -> Tensor:
        module = Clip(**SIZES, position_init=how).build()
        return module.transformer.embeddings.position_embedding.weight.detach()

    torch.manual_seed(4)
    assert table(0.5).std().item() == pytest.approx(0.5, rel=0.15)
    assert table(0.02).std().item() == pytest.approx(0.02, rel=0.15)
    assert torch.equal(table("sin-cos")[1:], sin_cos_grid(4, 32))
    grid = sin_cos_grid(4, 32)
    assert grid.square().mean().item() == pytest.approx(0.5)
    rows = rearrange(grid, "(h w) d -> h w d", h=4)
    assert torch.equal(rows[0, :, :16], rows[3, :, :16])  # the first half tells the column only
    assert torch.equal(rows[:, 0, 16:], rows[:, 3, 16:])
    assert len({tuple(row) for row in grid.tolist()}) == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 5}, "4 heads would do"),
        ({"patch_size": 64}, "larger than image_size"),
        ({"pool": 3}, "1, 2, 4 do"),
        ({"layer": 4}, "3 layers are 1..3 or -1..-3"),
        ({"layer": 0}, "layer 0 is not there"),
        ({"hidden_width": 36, "heads": 4, "position_init": "sincos"}, "std above 0 or 'sin-cos'"),
        ({"hidden_width": 34, "heads": 2, "position_init": "sin-cos"}, "multiple of 4.*0.5"),
    ],
)
def test_impossible_sizes_say_what_would_do(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clip(**{**SIZES, **changes})


@pytest.mark.parametrize(
    ("spec", "name", "grid", "million"),
    [
        (Clip, "vit-b-32", 7, 87.5),
        (Clip, "vit-l-14", 16, 303.2),
        (Siglip, "base-p16-224", 14, 85.8),
        (Siglip, "so400m-p14-384", 27, 413.0),
    ],
)
def test_presets_are_the_public_sizes(spec: Spec, name: str, grid: int, million: float) -> None:
    whole = spec.preset(name, final_norm=True)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in whole.build().parameters())
    assert whole.grid == grid
    assert count / 1e6 == pytest.approx(million, abs=0.1)


def test_preprocessing_is_the_official_one() -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    clip, siglip = Clip(**SIZES).preprocess(), Siglip(**SIZES).preprocess()
    processor = CLIPImageProcessorPil()
    assert list(clip.mean) == list(processor.image_mean)
    assert list(clip.std) == list(processor.image_std)
    assert (clip.resize, siglip.resize) == ("shorter-side", "stretch")
    assert (siglip.mean, siglip.std) == ((0.5,) * 3, (0.5,) * 3)
