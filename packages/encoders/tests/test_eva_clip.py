"""EVA-CLIP against recordings of BLIP3-o's own tower and of timm's, and the layouts that its weights come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import Tensor

from diptych.errors import CheckpointError
from diptych_encoders.eva_clip import EvaClip


DATA = Path(__file__).parent / "data"
TINY: dict[str, Any] = {"hidden_width": 32, "depth": 2, "heads": 4, "image_size": 48, "patch_size": 8}
BLIP3O = EvaClip(hidden_width=32, depth=2, heads=4, mlp_width=274, image_size=112, patch_size=14, pool=2)
TIMM = {
    "l": EvaClip(**TINY, mlp_width=85, activation="swiglu", post_norm=False, sub_norm=True, rotary=4),
    "e": EvaClip(**TINY, mlp_width=112),
}
PREFIX = "model.gen_vision_tower.vision_tower.model."


def recorded(name: str) -> dict[str, Tensor]:
    return load_file(DATA / f"{name}.safetensors")


def loaded(spec: EvaClip, tensors: dict[str, Tensor], folder: Path, name: str = "model.safetensors") -> Any:
    if name.endswith(".safetensors"):
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / name)
    spec = attrs.evolve(spec, weights=str(folder))
    module = spec.build()
    spec.load_weights(module)
    return module


@pytest.fixture
def blip3o(tmp_path: Path) -> Any:
    return loaded(BLIP3O, recorded("eva.weights"), tmp_path)


@pytest.mark.parametrize("case", ["b1", "b3"])
def test_it_is_the_tower_of_blip3o(case: str, blip3o: Any, parity: Any) -> None:
    given = recorded("eva.cases")
    pooled = rearrange(given[f"{case}.pooled"], "b c h w -> b (h w) c")
    source = "BLIP3-o, recorded"
    states = blip3o.states(given[f"{case}.image"])[:, 1:]
    parity("eva-clip", source, "states", states, given[f"{case}.tokens"], atol=1e-4)
    parity("eva-clip", source, "pooled features", blip3o(given[f"{case}.image"]), pooled, atol=1e-4)


def test_it_is_the_tower_of_blip3o_in_float64(blip3o: Any, parity: Any) -> None:
    given = recorded("eva.cases")
    states = blip3o.double().states(given["b3.image"].double())[:, 1:]
    parity("eva-clip", "BLIP3-o, recorded", "states, float64", states, given["b3.tokens_f64"], atol=1e-10)


@pytest.mark.parametrize(("layer", "tap"), [(1, "b1.tap.block0"), (2, "b1.tap.block1"), (-2, "b1.tap.block0")])
def test_any_layer_can_be_taken(layer: int, tap: str, tmp_path: Path) -> None:
    given = recorded("eva.cases")
    module = loaded(attrs.evolve(BLIP3O, layer=layer), recorded("eva.weights"), tmp_path)
    torch.testing.assert_close(module.states(given["b1.image"]), given[tap], atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", ["l", "e"])
def test_it_is_timms_tower_with_and_without_the_last_norm(form: str, tmp_path: Path, parity: Any) -> None:
    given, source = recorded(f"eva02_{form}"), "timm Eva, recorded"
    weights = {key.removeprefix("weights."): value for key, value in given.items() if key.startswith("weights.")}
    module = loaded(TIMM[form], weights, tmp_path)
    parity("eva-clip", source, f"states, {form.upper()}", module.states(given["image"]), given["states"])
    normed = loaded(attrs.evolve(TIMM[form], final_norm=True), weights, tmp_path)
    parity("eva-clip", source, f"normed states, {form.upper()}", normed.states(given["image"]), given["last"])
    exact = module.double().states(given["image"].double())
    # timm keeps its table of angles in float32
    atol = 1e-5 if form == "l" else 1e-10
    parity("eva-clip", source, f"states, {form.upper()}, float64", exact, given["states_f64"], atol=atol)


@pytest.mark.parametrize("form", ["l", "e"])
def test_eva_clips_own_layout_loads_too(form: str, tmp_path: Path) -> None:
    """The released .pt files: a text tower beside, `q_bias` and `v_bias`, tables of angles in every block."""
    given = recorded(f"eva02_{form}")
    official: dict[str, Any] = {"text.x": torch.zeros(2), "logit_scale": torch.zeros(())}
    for key, value in given.items():
        name = key.removeprefix("weights.visual.trunk.")
        if name == key:
            continue
        name = name.replace("attn.norm.", "attn.inner_attn_ln.").replace("mlp.norm.", "mlp.ffn_ln.")
        name = name.replace("q_proj.bias", "q_bias").replace("v_proj.bias", "v_bias")
        if form == "l":
            name = name.replace("mlp.fc1_g", "mlp.w1").replace("mlp.fc1_x", "mlp.w2").replace("mlp.fc2", "mlp.w3")
        official[f"visual.{name}"] = value
    official["visual.blocks.0.attn.rope.freqs_cos"] = torch.zeros(36, 8)
    torch.save({"module": official}, tmp_path / "EVA02.pt")
    module = loaded(TIMM[form], {}, tmp_path, "EVA02.pt")
    torch.testing.assert_close(module.states(given["image"]), given["states"], atol=1e-5, rtol=0)


def test_the_tower_is_found_inside_a_whole_blip3o_checkpoint(tmp_path: Path, blip3o: Any) -> None:
    inside = {PREFIX + name: value for name, value in recorded("eva.weights").items()}
    inside |= {"visual.patch_embed.proj.bias": torch.zeros(2), "lm_head.weight": torch.zeros(3, 2)}
    (tmp_path / "whole").mkdir()
    other = loaded(BLIP3O, inside, tmp_path / "whole")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in blip3o.state_dict().items())


def test_both_ways_of_attention_agree() -> None:
    for spec in TIMM.values():
        quick, plain = spec.build(), attrs.evolve(spec, attention="eager").build()
        plain.load_state_dict(quick.state_dict())
        pixels = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(quick(pixels), plain(pixels), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "grid", "wanted"),
    [
        ("E-14-plus", 32, 4_350_208_256),
        ("EVA02-E-14", 16, 4_348_832_000),
        ("EVA02-L-14", 16, 303_340_480),
        ("EVA02-L-14-336", 24, 303_668_160),
        ("EVA02-B-16", 14, 85_876_992),
    ],
)
def test_presets_are_the_public_sizes(name: str, grid: int, wanted: int) -> None:
    """Counts of timm's models, plus a bias of the keys, minus the last norm and the classifier."""
    spec = EvaClip.preset(name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in spec.build().parameters())
    assert spec.grid == grid
    assert count == wanted


def test_blip3os_target_is_64_tokens_of_1792() -> None:
    spec = EvaClip.preset("E-14-plus", pool=4)
    assert (spec.grid, spec.width, spec.tokens) == (8, 1792, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("blocks.1.mlp.fc1.bias"), r"missing: blocks\.1\.mlp\.fc1\.bias"),
        (lambda t: t.update({"blocks.1.gamma_1": torch.ones(32)}), r"unexpected: blocks\.1\.gamma_1"),
        (lambda t: t.update(pos_embed=torch.zeros(1, 17, 32)), r"shape of pos_embed: \[1, 17, 32\].*\[1, 65, 32\]"),
        (lambda t: t.update(cls_token=torch.zeros(1, 1, 32, dtype=torch.int8)), r"type of cls_token: torch\.int8"),
        (lambda t: t["blocks.0.norm1.bias"].fill_(float("nan")), r"values of blocks\.0\.norm1\.bias: NaN"),
        (lambda t: t.pop("patch_embed.proj.weight"), "expected one 'patch_embed.proj.weight'.*nowhere"),
        (lambda t: t.update({"x.patch_embed.proj.weight": torch.zeros(1)}), "found it '', 'x.'"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(change: Any, message: str, tmp_path: Path) -> None:
    tensors = recorded("eva.weights")
    change(tensors)
    save_file(tensors, tmp_path / "eva.safetensors")
    spec = attrs.evolve(BLIP3O, weights=str(tmp_path / "eva.safetensors"))
    module = spec.build()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        spec.load_weights(module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must never be printed",))


def test_files_that_are_no_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = attrs.evolve(BLIP3O, weights=str(tmp_path))
    with pytest.raises(CheckpointError, match="it holds nothing of the kind"):
        spec.load_weights(spec.build())
    torch.save({"model": Harmful()}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="holds more than tensors and is refused"):
        spec.load_weights(spec.build())
    assert "never" not in capsys.readouterr().out
    (tmp_path / "a.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"a\.pt is damaged"):
        spec.load_weights(spec.build())
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no tensors by name"):
        spec.load_weights(spec.build())
    torch.save({}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"it holds a\.pt, b\.pt"):
        spec.load_weights(spec.build())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_width": 24, "rotary": 4, "heads": 4}, "multiple of 4, not 6"),
        ({"activation": "gelu-tanh"}, "activation"),
        ({"pool": 2, "pool_to": 3}, "two ways to pool"),
    ],
)
def test_impossible_sizes_say_what_would_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EvaClip(**{**TINY, **changes})
