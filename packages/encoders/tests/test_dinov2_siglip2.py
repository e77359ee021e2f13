"""DINOv2 and SigLIP 2 against the official classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from einops import rearrange
from torch import Generator, Tensor, nn
from transformers import (
    Dinov2Config,
    Dinov2Model,
    Siglip2Config,
    Siglip2Model,
    Siglip2VisionConfig,
    Siglip2VisionModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from diptych.errors import CheckpointError
from diptych_encoders.dinov2 import Dinov2
from diptych_encoders.siglip2 import Siglip2


SIZES: dict[str, Any] = {"hidden_width": 32, "depth": 3, "heads": 4, "image_size": 32, "patch_size": 8}
OFFICIAL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "patch_size": 8}
GRIDS = [(4, 4), (2, 5), (6, 1), (3, 3)]


def pixels(height: int = 32, width: int = 32, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=Generator().manual_seed(height + 100 * width))


def saved(model: nn.Module, folder: Path) -> Any:
    """Move every parameter off its start, and write the checkpoint with the official class."""
    generator = Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    model.eval().save_pretrained(folder)  # type: ignore[operator]
    return model


def loaded(spec: Any, folder: Path) -> Any:
    spec = attrs.evolve(spec, weights=str(folder))
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


def same_gradients(parity: Any, part: str, source: str, ours: Any, theirs: Any, inner: str = "") -> None:
    own = {n: p.grad for n, p in ours.transformer.named_parameters()}
    official = {n.removeprefix(inner): p.grad for n, p in theirs.named_parameters() if n.removeprefix(inner) in own}
    parity(part, source, "gradients", own, official)


@pytest.mark.parametrize(
    ("layer", "swiglu", "trained"), [(-1, False, 32), (-2, True, 32), (-1, False, 48)], ids=["base", "giant", "resized"]
)
def test_dinov2_is_the_official_one(layer: int, swiglu: bool, trained: int, tmp_path: Path, parity: Any) -> None:
    torch.manual_seed(0)
    config = Dinov2Config(**OFFICIAL, image_size=trained, use_swiglu_ffn=swiglu, layerscale_value=0.7)
    model, images = saved(Dinov2Model(config), tmp_path), pixels()
    activation = "swiglu" if swiglu else "gelu"
    spec = Dinov2(**SIZES, layer=layer, activation=activation, trained_size=trained, cls="keep")
    ours = loaded(spec, tmp_path)
    out = model(images, output_hidden_states=True)
    theirs = out.last_hidden_state if layer == -1 else out.hidden_states[layer]
    features = ours(images)
    parity("dinov2", "transformers Dinov2Model", "features", features, theirs)
    features.square().sum().backward()
    theirs.square().sum().backward()
    same_gradients(parity, "dinov2", "transformers Dinov2Model", ours, model)
    assert torch.equal(loaded(attrs.evolve(spec, cls="drop"), tmp_path)(images), features[:, 1:])


def test_siglip2_of_fixed_size_is_siglips_class(tmp_path: Path, parity: Any) -> None:
    torch.manual_seed(0)
    model = saved(SiglipVisionModel(SiglipVisionConfig(**OFFICIAL, intermediate_size=48, image_size=32)), tmp_path)
    ours = loaded(Siglip2(**SIZES, mlp_width=48), tmp_path)
    theirs = model(pixels()).last_hidden_state
    parity("siglip2", "transformers SiglipVisionModel", "features", ours(pixels()), theirs)
    pooled = loaded(Siglip2(**SIZES, mlp_width=48, pooled=True), tmp_path)(pixels())
    official = model(pixels()).pooler_output[:, None]
    parity("siglip2", "transformers SiglipVisionModel", "pooled feature", pooled, official)


def naflex(folder: Path, *, whole: bool = False) -> Any:
    torch.manual_seed(0)
    vision = {**OFFICIAL, "intermediate_size": 48, "num_patches": 9}
    if not whole:
        return saved(Siglip2VisionModel(Siglip2VisionConfig(**vision)), folder)
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text |= {"vocab_size": 20, "bos_token_id": 1, "eos_token_id": 2}
    return saved(Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)), folder)


FLEXIBLE = Siglip2(**SIZES, mlp_width=48, flexible=3)


def official_batch(pictures: list[Tensor]) -> dict[str, Tensor]:
    """Cut and pad pictures as the official processor does."""
    rows = [rearrange(each, "c (h i) (w j) -> (h w) (i j c)", i=8, j=8) for each in pictures]
    length = max(map(len, rows))
    return {
        "pixel_values": torch.stack([nn.functional.pad(row, (0, 0, 0, length - len(row))) for row in rows]),
        "pixel_attention_mask": torch.stack([(torch.arange(length) < len(row)).int() for row in rows]),
        "spatial_shapes": torch.tensor([[each.shape[1] // 8, each.shape[2] // 8] for each in pictures]),
    }


@pytest.mark.parametrize("layer", [-1, -2])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_naflex_is_the_official_one(layer: int, attention: str, tmp_path: Path, parity: Any) -> None:
    model, source = naflex(tmp_path), "transformers Siglip2VisionModel"
    pictures = [pixels(8 * height, 8 * width, 1)[0] for height, width in GRIDS]
    ours = loaded(attrs.evolve(FLEXIBLE, layer=layer, attention=attention), tmp_path)
    out = model(**official_batch(pictures), output_hidden_states=True)
    theirs = out.last_hidden_state if layer == -1 else out.hidden_states[layer]
    many = ours.encode_many(pictures)
    assert many.grids == tuple(GRIDS)
    assert many.mask.sum(1).tolist() == [height * width for height, width in GRIDS]
    parity("siglip2", source, "NaFlex, features", many.features[many.mask], theirs[many.mask])
    many.features[many.mask].square().sum().backward()
    theirs[many.mask].square().sum().backward()
    same_gradients(parity, "siglip2", source, ours, model)


def test_naflex_pools_by_attention_as_the_official_one(tmp_path: Path, parity: Any) -> None:
    model, source = naflex(tmp_path), "transformers Siglip2VisionModel"
    pictures = [pixels(8 * height, 8 * width, 1)[0] for height, width in GRIDS]
    ours = loaded(attrs.evolve(FLEXIBLE, pooled=True), tmp_path)
    theirs = model(**official_batch(pictures)).pooler_output
    many = ours.encode_many(pictures)
    assert many.grids == ((1, 1),) * len(GRIDS)
    assert many.mask.all()
    parity("siglip2", source, "NaFlex, pooled feature", many.features[:, 0], theirs)
    many.features.square().sum().backward()
    theirs.square().sum().backward()
    same_gradients(parity, "siglip2", source, ours, model)


def test_naflex_gives_each_picture_what_it_gives_it_alone(tmp_path: Path) -> None:
    naflex(tmp_path)
    ours = loaded(FLEXIBLE, tmp_path).double()
    pictures = [pixels(8 * height, 8 * width, 1)[0].double() for height, width in GRIDS]
    many = ours.encode_many(pictures)
    for index, picture in enumerate(pictures):
        alone = ours(picture[None])[0]
        torch.testing.assert_close(many.features[index, : len(alone)], alone, atol=1e-9, rtol=0)
        assert not many.features[index, len(alone) :].any()


def test_naflex_pools_every_grid(tmp_path: Path) -> None:
    naflex(tmp_path)
    pictures = [pixels(16, 48, 1)[0], pixels(32, 16, 1)[0]]
    many = loaded(attrs.evolve(FLEXIBLE, pool=2), tmp_path).encode_many(pictures)
    assert many.grids == ((1, 3), (2, 1))
    assert many.mask.tolist() == [[True, True, True], [True, True, False]]
    assert loaded(attrs.evolve(FLEXIBLE, pool_to=2), tmp_path)(pixels(24, 40)).shape == (2, 4, 32)


def test_two_tower_checkpoints_load(tmp_path: Path) -> None:
    model = naflex(tmp_path, whole=True)
    theirs = model.vision_model(**official_batch([pixels(count=1)[0]])).last_hidden_state
    torch.testing.assert_close(loaded(FLEXIBLE, tmp_path)(pixels(count=1)), theirs, atol=1e-5, rtol=0)


def test_sides_that_are_no_multiples_are_refused() -> None:
    module = FLEXIBLE.build()
    with pytest.raises(ValueError, match="multiples of 8"):
        module(torch.zeros(1, 3, 32, 30))
    with pytest.raises(ValueError, match="squares of 2"):
        attrs.evolve(FLEXIBLE, pool=2).build()(torch.zeros(1, 3, 32, 24))
    with pytest.raises(ValueError, match="no pictures"):
        module.encode_many([])


def test_weights_of_other_sizes_are_refused(tmp_path: Path) -> None:
    naflex(tmp_path)
    with pytest.raises(CheckpointError, match="flexible: the checkpoint has 3, the spec 4"):
        loaded(attrs.evolve(FLEXIBLE, flexible=4), tmp_path)


def test_weights_of_another_dinov2_are_refused(tmp_path: Path) -> None:
    saved(Dinov2Model(Dinov2Config(**OFFICIAL, image_size=48)), tmp_path)
    with pytest.raises(CheckpointError) as error:
        loaded(Dinov2(**{**SIZES, "depth": 2}, mlp_width=64, activation="swiglu"), tmp_path)
    for line in ("depth: the checkpoint has 3", "trained_size: the checkpoint has 48", "mlp_width", "activation"):
        assert line in str(error.value)


@pytest.mark.parametrize(
    ("spec", "name", "grid", "million"),
    [
        (Dinov2, "small-p14", 37, 22.06),
        (Dinov2, "base-p14", 37, 86.58),
        (Dinov2, "large-p14", 37, 304.37),
        (Dinov2, "giant-p14", 37, 1136.48),
        (Siglip2, "base-p16-256", 16, 85.84),
        (Siglip2, "large-p16-384", 24, 303.69),
        (Siglip2, "so400m-p14-384", 27, 412.96),
        (Siglip2, "so400m-p16-512", 32, 413.78),
        (Siglip2, "giant-opt-p16-256", 16, 1134.82),
        (Siglip2, "so400m-p16-naflex", 16, 412.9),
    ],
)
def test_presets_are_the_public_sizes(spec: Any, name: str, grid: int, million: float) -> None:
    made = spec.preset(name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in made.build().parameters())
    assert made.grid == grid
    assert count / 1e6 == pytest.approx(million, rel=2e-3)


def test_impossible_sizes_say_what_would_do() -> None:
    with pytest.raises(ValueError, match="mlp_width 100 is not a multiple of hidden_width; 96 is"):
        Dinov2(**SIZES, mlp_width=100)
    assert Dinov2(**{**SIZES, "image_size": 224}).preprocess().shorter == 256
    assert FLEXIBLE.flexible_preprocess(9).area == (1, 576)
