"""Qwen2.5-VL's tower against the official class, for pictures of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from diptych.errors import CheckpointError
from diptych_encoders.modules.qwen25_vl import window_order
from diptych_encoders.qwen25_vl import Qwen25Vl


SPEC = Qwen25Vl(
    hidden_width=32,
    depth=3,
    heads=4,
    mlp_width=20,
    image_size=32,
    width=24,
    patch_size=4,
    window=16,
    whole_layers=(1,),
)
SIZES = [(32, 32), (24, 40), (8, 56), (16, 8), (40, 24)]


def picture(height: int, width: int) -> Tensor:
    return torch.randn(3, height, width, generator=Generator().manual_seed(height + 100 * width))


def official(folder: Path) -> Any:
    torch.manual_seed(0)
    model = Qwen2_5_VisionTransformerPretrainedModel(
        Qwen2_5_VLVisionConfig(
            depth=3,
            hidden_size=32,
            intermediate_size=20,
            num_heads=4,
            patch_size=4,
            window_size=16,
            out_hidden_size=24,
            fullatt_block_indexes=[1],
        )
    )
    generator = Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    model.eval().save_pretrained(folder)
    return model


def loaded(spec: Qwen25Vl, folder: Path) -> Any:
    spec = attrs.evolve(spec, weights=str(folder))
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


def rows_of(pictures: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Cut pictures as the official processor does."""
    rows, sizes = [], []
    for each in pictures:
        twice = each[None].expand(2, -1, -1, -1)
        rows.append(rearrange(twice, "t c (h i p) (w j q) -> (h w i j) (c t p q)", i=2, j=2, p=4, q=4))
        sizes.append([1, each.shape[1] // 4, each.shape[2] // 4])
    return torch.cat(rows), torch.tensor(sizes)


def test_it_is_the_official_tower_for_pictures_of_any_size(tmp_path: Path, parity: Any) -> None:
    model, ours, source = official(tmp_path), loaded(SPEC, tmp_path), "transformers Qwen2_5_VisionTransformer"
    pictures = [picture(*size) for size in SIZES]
    theirs = model(*rows_of(pictures)).pooler_output
    many = ours.encode_many(pictures)
    assert many.grids == tuple((height // 8, width // 8) for height, width in SIZES)
    parity("qwen2.5-vl", source, "features", many.features[many.mask], theirs)
    many.features[many.mask].square().sum().backward()
    theirs.square().sum().backward()
    grads, official_grads = ({n: p.grad for n, p in each.named_parameters()} for each in (ours.transformer, model))
    parity("qwen2.5-vl", source, "gradients", grads, official_grads)


def test_the_tower_is_read_out_of_a_whole_model(tmp_path: Path) -> None:
    official(tmp_path)
    tower = load_file(tmp_path / "model.safetensors")
    (tmp_path / "whole").mkdir()
    first = {f"visual.{name}": value for name, value in tower.items() if "blocks.2" not in name}
    rest = {f"visual.{name}": value for name, value in tower.items() if "blocks.2" in name}
    save_file(first, tmp_path / "whole" / "model-00001-of-00002.safetensors")
    rest |= {"model.layers.0.mlp.up_proj.weight": torch.zeros(3), "lm_head.weight": torch.zeros(2)}
    save_file(rest, tmp_path / "whole" / "model-00002-of-00002.safetensors")
    ours, same = loaded(SPEC, tmp_path / "whole"), loaded(SPEC, tmp_path)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize(("height", "width", "side"), [(4, 4, 2), (3, 5, 2), (1, 7, 4), (6, 2, 8)])
def test_every_place_is_in_one_window(height: int, width: int, side: int) -> None:
    order, lengths = window_order(height, width, side)
    assert sorted(order) == list(range(height * width))
    assert sum(lengths) == height * width
    assert max(lengths) <= side * side
    start = 0
    for length in lengths:
        rows, columns = zip(*(divmod(each, width) for each in order[start : start + length]), strict=True)
        assert max(rows) // side == min(rows) // side
        assert max(columns) // side == min(columns) // side
        start += length


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    official(tmp_path)
    with pytest.raises(CheckpointError) as error:
        loaded(attrs.evolve(SPEC, depth=2, mlp_width=21), tmp_path)
    assert "unexpected: blocks.2." in str(error.value)
    assert "shape of blocks.0.mlp.up_proj.weight: [20, 32] in the file, [21, 32] in the model" in str(error.value)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"of Qwen2\.5-VL's tower, found it nowhere"):
        loaded(SPEC, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        loaded(SPEC, tmp_path)


def test_sides_and_sizes_that_do_not_fit_are_refused() -> None:
    module = SPEC.build()
    with pytest.raises(ValueError, match="multiples of 8"):
        module(torch.zeros(1, 3, 32, 20))
    with pytest.raises(ValueError, match="no pictures"):
        module.encode_many([])
    for changes, message in (
        ({"image_size": 30}, "30 is not a multiple of 8.*32 is"),
        ({"heads": 3}, "not a multiple of 4 x heads, 12"),
        ({"window": 4}, "window 4 is smaller than 8"),
        ({"whole_layers": (1, 3, 7)}, "whole_layers has 3, 7, but the layers of depth 3 are 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            attrs.evolve(SPEC, **changes)
    assert SPEC.native_preprocess().multiple == 8


@pytest.mark.parametrize(("name", "million"), [("3b", 668.66), ("7b", 676.55)])
def test_presets_are_the_public_sizes(name: str, million: float) -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Qwen25Vl.preset(name).build().parameters())
    assert count / 1e6 == pytest.approx(million, abs=0.05)
