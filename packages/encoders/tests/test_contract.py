"""What every registered part of this distribution promises, checked on a tiny spec of each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn

from diptych.plugins import PluginSource, load_plugins
from diptych.ports import Port
from diptych.spec.part import PartSpec, Slot
from diptych.spec.structure import structure, unstructure
from diptych_encoders import plugin
from diptych_encoders.autoencoder_kl import AutoencoderKl
from diptych_encoders.autoencoder_tiny import AutoencoderTiny
from diptych_encoders.channel_statistics import ChannelStatistics
from diptych_encoders.clip import Clip
from diptych_encoders.dc_ae import DcAe
from diptych_encoders.dinov2 import Dinov2
from diptych_encoders.eva_clip import EvaClip
from diptych_encoders.principal_components import PrincipalComponents
from diptych_encoders.qwen25_vl import Qwen25Vl
from diptych_encoders.siglip import Siglip
from diptych_encoders.siglip2 import Siglip2
from diptych_encoders.ta_tok import TaTok
from diptych_encoders.vq import Vq


VIT: dict[str, Any] = {
    "hidden_width": 16,
    "depth": 2,
    "heads": 2,
    "image_size": 16,
    "patch_size": 4,
}
KL: dict[str, Any] = {"image_size": 16, "channels": 3, "widths": (4, 8), "norm_groups": 2}
DC: dict[str, Any] = {
    "image_size": 16,
    "channels": 4,
    "widths": (8, 16),
    "encoder_layers": (1, 1),
    "decoder_layers": (1, 1),
    "attention_from": 1,
    "head_width": 4,
}
TINY: dict[str, Any] = {"image_size": 16, "channels": 3, "hidden_width": 8, "blocks": (1, 1)}
SPECS: dict[str, PartSpec] = {
    "clip": Clip(**VIT),
    "clip-kept-pooled-projected": Clip(**VIT, cls="keep", pool=2, project=6, layer=1),
    "eva-clip": EvaClip(**VIT, pool=2),
    "eva-clip-large": EvaClip(
        **VIT, activation="swiglu", post_norm=False, sub_norm=True, rotary=2, cls="keep", pool_to=3, final_norm=True
    ),
    "siglip": Siglip(**VIT),
    "siglip-pooled-projected": Siglip(**VIT, pool=4, project=6, unit_features=True, attention="eager"),
    "siglip-attention-pooled": Siglip(**VIT, pooled=True, project=6),
    "dinov2": Dinov2(**VIT, trained_size=24),
    "dinov2-gated": Dinov2(**VIT, activation="swiglu", cls="keep", layer=1),
    "qwen2.5-vl": Qwen25Vl(**{**VIT, "patch_size": 2}, mlp_width=12, width=6, window=8, whole_layers=(1,)),
    "siglip2": Siglip2(**VIT),
    "siglip2-naflex": Siglip2(**VIT, flexible=3, pool=2),
    "siglip2-naflex-attention-pooled": Siglip2(**VIT, flexible=3, pooled=True),
    "autoencoder-kl": AutoencoderKl(**KL),
    "autoencoder-kl-plain": AutoencoderKl(**KL, attention=False, quant_conv=False, shift_factor=1),
    "autoencoder-tiny": AutoencoderTiny(**TINY, latent_noise=0.1),
    "dc-ae": DcAe(**DC),
    "dc-ae-shuffled": DcAe(
        **{**DC, "widths": (8, 8, 16), "encoder_layers": (0, 1, 1), "decoder_layers": (0, 1, 1), "attention_from": 2},
        scales=(),
        resample="shuffle",
        batch_norm=True,
    ),
    "vq": Vq(image_size=16, vocabulary=11, code_width=4, widths=(32, 32), blocks=1, latent_width=4),
    "ta-tok": TaTok(
        **VIT, vocabulary=11, code_width=6, mlp_width=20, decoder_depth=1, decoder_heads=2, decoder_mlp_width=12
    ),
    "channel-statistics": ChannelStatistics(channels=5),
    "principal-components": PrincipalComponents(kept=3, channels=5, whiten=0.5),
}
PAIRS = [pytest.param(spec, id=name) for name, spec in SPECS.items()]


def source(count: int = 3, kind: str = "encoder", dtype: torch.dtype = torch.float32) -> Tensor:
    own = Generator().manual_seed(0)
    if kind == "normaliser":
        return torch.randn(count, 4, 5, generator=own, dtype=dtype)
    return torch.rand(count, 3, 16, 16, generator=own, dtype=dtype) * 2 - 1


def build(spec: PartSpec) -> nn.Module:
    """Build with the same weights every time, ready for use."""
    torch.manual_seed(0)
    module = spec.build()
    if spec.kind == "normaliser":
        module.fit([source(kind="normaliser")])
    return module.eval()


def apply(spec: PartSpec, module: Any, given: Tensor) -> Tensor:
    return module.encode(given) if spec.kind in ("autoencoder", "image_tokenizer") else module(given)


def round_trip(spec: PartSpec, module: Any, given: Tensor) -> Tensor:
    """Use the part both ways, if there are two."""
    out = apply(spec, module, given)
    if spec.kind in ("autoencoder", "image_tokenizer"):
        return module.decode(out)
    return module.inverse(out) if spec.kind == "normaliser" else out


def shape_of(spec: PartSpec, port: Port, shared: dict[str, int]) -> list[int]:
    """Put the spec's sizes into a port; names that it does not know come from `shared`."""

    def size(name: str) -> int:
        return int(name) if name.isdigit() else getattr(spec, name, shared.get(name))

    sizes = []
    for term in port.terms():
        product = 1
        for name in (term,) if isinstance(term, str) else term:
            product *= size(name)
        sizes.append(product)
    return sizes


def test_every_registered_part_is_here() -> None:
    loaded = load_plugins([PluginSource("encoders", "diptych-encoders", "0", lambda: plugin)])
    entries = list(loaded.registry.entries())
    assert loaded.loaded[0].error is None
    assert {entry.component.name for entry in entries} <= set(SPECS)
    assert all(entry.component.summary for entry in entries)
    for entry in entries:
        assert isinstance(SPECS[entry.component.name], entry.load())
        assert entry.load().kind == entry.kind


@pytest.mark.parametrize("spec", PAIRS)
def test_ports_are_the_real_shapes(spec: PartSpec) -> None:
    ports, given = spec.ports(), source(kind=spec.kind)
    shared = {"b": 3, "height": 2, "width": 2}
    (incoming,), (outgoing,) = ports.inputs.values(), ports.outputs.values()
    assert list(given.shape) == shape_of(spec, incoming, shared)
    assert list(apply(spec, build(spec), given).shape) == shape_of(spec, outgoing, shared)


@pytest.mark.parametrize("spec", PAIRS)
def test_a_sample_does_not_depend_on_its_batch(spec: PartSpec) -> None:
    module, given = build(spec).double(), source(kind=spec.kind, dtype=torch.float64)
    together = apply(spec, module, given)
    alone = torch.cat([apply(spec, module, row[None]) for row in given])
    assert together.dtype == (torch.int64 if spec.kind == "image_tokenizer" else torch.float64)
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("spec", PAIRS)
def test_builds_on_the_meta_device(spec: PartSpec) -> None:
    with torch.device("meta"):
        module = spec.build()
        out = apply(spec, module, source(kind=spec.kind).to("meta"))
    assert all(value.is_meta for value in module.state_dict().values())
    assert out.is_meta
    assert out.shape == apply(spec, build(spec), source(kind=spec.kind)).shape


@pytest.mark.parametrize("spec", PAIRS)
def test_gradients_reach_input_and_every_parameter(spec: PartSpec) -> None:
    module: Any = build(spec)
    given = source(kind=spec.kind).requires_grad_()
    if spec.kind in ("autoencoder", "image_tokenizer"):
        losses = module.loss(given, Generator().manual_seed(0))
        assert all(value.shape == (3,) for value in losses.values())
        sum(losses.values()).sum().backward()
    else:
        apply(spec, module, given).square().sum().backward()
    assert given.grad is not None
    assert given.grad.isfinite().all()
    assert given.grad.abs().sum() > 0
    assert [name for name, p in module.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("spec", PAIRS)
def test_saved_weights_give_the_same_bits(spec: PartSpec, tmp_path: Path) -> None:
    module = build(spec)
    save_file(dict(module.state_dict()), tmp_path / "part.safetensors")
    torch.manual_seed(1)
    other = spec.build()
    other.load_state_dict(load_file(tmp_path / "part.safetensors"))
    given = source(kind=spec.kind)
    assert torch.equal(apply(spec, module, given), apply(spec, other, given))


@pytest.mark.parametrize("spec", PAIRS)
def test_use_leaves_global_randomness_alone(spec: PartSpec) -> None:
    module = build(spec)
    before = torch.get_rng_state()
    apply(spec, module, source(kind=spec.kind))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("spec", PAIRS)
def test_runs_in_bfloat16(spec: PartSpec) -> None:
    out = apply(spec, build(spec).bfloat16(), source(kind=spec.kind).bfloat16())
    assert out.dtype == (torch.int64 if spec.kind == "image_tokenizer" else torch.bfloat16)
    assert out.isfinite().all()


@pytest.mark.parametrize("spec", PAIRS)
def test_traces_whole(spec: PartSpec) -> None:
    """No graph break, and what the traced part gives is what the part gives."""
    torch._dynamo.reset()
    small = attrs.evolve(spec, depth=1, layer=-1) if hasattr(spec, "layer") else spec
    module, given = build(small), source(kind=spec.kind)

    def there_and_back(pixels: Tensor) -> Tensor:
        return round_trip(small, module, pixels)

    with torch.no_grad():
        compiled = torch.compile(there_and_back, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(given), there_and_back(given), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("spec", PAIRS)
def test_every_field_has_a_sentence_and_evolves(spec: PartSpec) -> None:
    for field in attrs.fields(type(spec)):
        assert field.metadata.get("doc"), field.name
    assert attrs.evolve(spec) == spec


@attrs.frozen
class Holder:
    """A place for one part of any kind of this distribution."""

    part: Annotated[PartSpec, Slot("encoder", "autoencoder", "image_tokenizer", "normaliser")]


@pytest.mark.parametrize("spec", PAIRS)
def test_it_survives_being_written_and_read(spec: PartSpec) -> None:
    text = json.dumps(unstructure(Holder(spec)))
    assert structure(json.loads(text), Holder) == Holder(spec)


@pytest.mark.parametrize("spec", sorted({type(spec) for spec in SPECS.values()}, key=lambda each: each.__name__))
def test_every_preset_is_a_valid_spec(spec: type[PartSpec]) -> None:
    assert spec.presets() or spec.kind == "normaliser"
    for name in spec.presets():
        assert spec.preset(name).ports().outputs


def test_specs_import_no_torch() -> None:
    modules = sorted({type(spec).__module__ for spec in SPECS.values()})
    code = (
        "import sys\n"
        f"import {', '.join(modules)}\n"
        "from diptych_encoders import clip\n"
        "clip.Clip.preset('vit-b-32').preprocess()\n"
        "print([m for m in ('torch', 'transformers', 'diffusers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
