"""VQ against JanusVQVAE and in LlamaGen's layout; TA-Tok against recordings of BLIP3-o-NEXT's."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn
from transformers.models.janus.configuration_janus import JanusVQVAEConfig
from transformers.models.janus.modeling_janus import JanusVQVAE

from diptych.errors import CheckpointError
from diptych.objectives.specs import Autoencode
from diptych.spec.recipe import Stage, Weighted
from diptych.training.optimiser import choose_trained
from diptych_encoders.modules.image_tokenizer import nearest_codes
from diptych_encoders.ta_tok import TaTok
from diptych_encoders.vq import Vq


DATA = Path(__file__).parent / "data"
VQ = Vq(image_size=16, vocabulary=40, code_width=6, widths=(32, 64), blocks=1, latent_width=8)
TA = TaTok(
    image_size=56,
    vocabulary=40,
    code_width=12,
    hidden_width=48,
    depth=3,
    heads=4,
    patch_size=14,
    mlp_width=60,
    decoder_depth=1,
)
SOURCE = "BLIP3-o-NEXT, recorded"
PREFIX = "model.vision_tower.vision_tower."


def recorded(name: str) -> dict[str, Tensor]:
    return load_file(DATA / f"next_tatok.{name}.safetensors")


def pixels(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=Generator().manual_seed(0)) * 2 - 1


def loaded(spec: Any, place: Path) -> Any:
    spec = attrs.evolve(spec, weights=str(place))
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


def janus(folder: Path) -> Any:
    torch.manual_seed(0)
    model = JanusVQVAE(
        JanusVQVAEConfig(
            embed_dim=6,
            num_embeddings=40,
            latent_channels=8,
            base_channels=32,
            channel_multiplier=(1, 2),
            num_res_blocks=1,
            num_patches=8,
        )
    )
    generator = Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
        codes = model.quantize.embedding.weight  # of length 1, as training leaves them
        codes.copy_(F.normalize(torch.randn(codes.shape, generator=generator), dim=-1))
    model.eval().save_pretrained(folder)
    return model


def test_vq_is_the_official_one(tmp_path: Path, parity: Any) -> None:
    model, source = janus(tmp_path), "transformers JanusVQVAE"
    ours = loaded(VQ, tmp_path)
    theirs = model.encode(pixels()).image_tokens.view(2, -1)
    ids = ours.encode(pixels())
    assert torch.equal(ids, theirs)
    assert ids.unique().numel() > 3
    parity("vq", source, "pixels", ours.decode(ids), model.decode(theirs).clamp(-1, 1))
    ours.decode(ids).square().sum().backward()
    model.decode(theirs).clamp(-1, 1).square().sum().backward()
    inner = {n: p.grad for n, p in ours.model.named_parameters() if p.grad is not None}
    parity("vq", source, "gradients", inner, {n: p.grad for n, p in model.named_parameters() if p.grad is not None})


def test_llamagens_layout_loads_also_from_inside_a_janus(tmp_path: Path) -> None:
    janus(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    old = {}
    for name, value in tensors.items():
        name = re.sub(r"(down|up)\.(\d+)\.block\.", r"conv_blocks.\2.res.", name)
        name = re.sub(r"(?<!\w)(down|up)\.(\d+)\.", r"conv_blocks.\2.", name)
        for index, part in enumerate(("block_1", "attn_1", "block_2")):
            name = name.replace(f"mid.{part}.", f"mid.{index}.")
        old[f"gen_vision_model.{name}"] = value
    assert any("conv_blocks.0.downsample" in name for name in old)
    old["gen_vision_model.quantize.codebook_used"] = torch.zeros(9)
    old["language_model.lm_head.weight"] = torch.zeros(3)
    torch.save({"model": old}, tmp_path / "vq.pt")
    ours, same = loaded(VQ, tmp_path / "vq.pt"), loaded(VQ, tmp_path)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize("scale", [1, 2])
def test_ta_tok_is_the_one_of_next(scale: int, tmp_path: Path, parity: Any) -> None:
    given, case = recorded("cases"), f"ps{scale}"
    save_file(recorded("weights"), tmp_path / "ta_tok.safetensors")
    ours = loaded(attrs.evolve(TA, pool=scale), tmp_path)
    features = ours.encoder(given["image"])
    if scale == 1:
        parity("ta-tok", SOURCE, "features", features, given["enc.hidden_states2"], atol=1e-4)
    parity("ta-tok", SOURCE, "vectors", ours.vectors(given["image"]), given[f"{case}.projected_z"], atol=1e-4)
    ids = ours.encode(given["image"])
    assert torch.equal(ids, given[f"{case}.tokens"])
    parity("ta-tok", SOURCE, "codes", ours.look_up(ids), given[f"{case}.regularized_z"])
    parity("ta-tok", SOURCE, "embedded codes", ours.embed(ids), given[f"{case}.encoded"], atol=2e-5)
    parity("ta-tok", SOURCE, "decoded features", ours.decode(ids), given[f"{case}.decode_from_bottleneck"], atol=1e-4)


def test_its_codebook_is_the_one_of_next(tmp_path: Path, parity: Any) -> None:
    given = recorded("cases")
    inside = {PREFIX + name: value for name, value in recorded("weights").items()}
    save_file({**inside, "lm_head.weight": torch.zeros(2)}, tmp_path / "whole.safetensors")
    ours = loaded(TA, tmp_path / "whole.safetensors")
    parity("ta-tok", SOURCE, "codebook", ours.codebook(), given["codebook_projected"])
    entry = ours.look_up(given["codebook_entry.indices"])
    parity("ta-tok", SOURCE, "codebook entries", entry, given["codebook_entry.out"])


def test_the_published_file_of_ta_tok_loads_with_the_settings_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("easydict")
    module.EasyDict = type("EasyDict", (dict,), {"__module__": "easydict"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "easydict", module)
    arguments = module.EasyDict(input_size=56)  # type: ignore[attr-defined]
    arguments.teacher = "google/siglip2-so400m-patch14-384"
    torch.save({"model": {"name": "ta_tok", "args": arguments, "sd": recorded("weights")}}, tmp_path / "ta_tok.pth")
    monkeypatch.delitem(sys.modules, "easydict")
    ours = loaded(TA, tmp_path / "ta_tok.pth")
    assert torch.equal(ours.encode(recorded("cases")["image"]), recorded("cases")["ps1.tokens"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("bottleneck.in_linear.bias"), r"missing: bottleneck\.in_linear\.bias"),
        (lambda t: t.update({"bottleneck.in_linear.gain": torch.ones(2)}), r"unexpected: bottleneck\.in_linear\.gain"),
        (lambda t: t.update({"bottleneck.out_linear.bias": torch.ones(13)}), r"shape of bottleneck\.out_linear\.bias"),
        (lambda t: t["encode_task_layer.0.bias"].fill_(torch.nan), r"values of encode_task_layer\.0\.bias: NaN"),
        (lambda t: t.pop("bottleneck.regularizer.embedding.weight"), "of a TA-Tok, found it nowhere"),
    ],
)
def test_what_does_not_fit_a_ta_tok_is_named(change: Any, message: str, tmp_path: Path) -> None:
    tensors = recorded("weights")
    change(tensors)
    save_file(tensors, tmp_path / "ta_tok.safetensors")
    with pytest.raises(CheckpointError, match=message):
        loaded(TA, tmp_path)


def test_a_vq_of_another_size_is_refused(tmp_path: Path) -> None:
    janus(tmp_path)
    with pytest.raises(CheckpointError, match=r"shape of quantize\.embedding\.weight: \[40, 6\].*\[50, 6\]"):
        loaded(attrs.evolve(VQ, vocabulary=50), tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="of a VQ tokenizer, found it nowhere"):
        loaded(VQ, tmp_path)


@given(
    st.integers(1, 30), st.integers(1, 20), st.integers(1, 5), st.booleans(), st.integers(0, 2**31), st.integers(1, 99)
)
@settings(max_examples=40, deadline=None)
def test_the_nearest_code_is_nearest(
    count: int, vocabulary: int, width: int, cosine: bool, seed: int, scores: int
) -> None:
    generator = Generator().manual_seed(seed)
    vectors = torch.randn(count, width, generator=generator, dtype=torch.float64)
    codes = torch.randn(vocabulary, width, generator=generator, dtype=torch.float64)
    codes = F.normalize(codes, dim=-1) if cosine else codes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diptych_encoders.modules.image_tokenizer._SCORES", scores)
        ids = nearest_codes(vectors, codes, cosine=cosine)
    gaps = torch.cdist(F.normalize(vectors, dim=-1) if cosine else vectors, codes)
    assert ids.shape == (count,)
    torch.testing.assert_close(gaps.gather(1, ids[:, None])[:, 0], gaps.amin(1), atol=1e-7, rtol=0)


def test_of_equally_near_codes_the_first_is_taken() -> None:
    codes = torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert nearest_codes(torch.tensor([[[1.0, 0.0]]]), codes, cosine=False).tolist() == [[1]]


@pytest.mark.parametrize("cosine", [True, False])
def test_codes_are_compared_in_float32_under_autocast_and_in_half_precision(cosine: bool) -> None:
    generator = Generator().manual_seed(0)
    codes, vectors = torch.randn(4096, 8, generator=generator), torch.randn(200, 8, generator=generator)
    codes = F.normalize(codes, dim=-1) if cosine else codes
    exact = nearest_codes(vectors, codes, cosine=cosine)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nearest_codes(vectors, codes, cosine=cosine), exact)
    short, found = codes.bfloat16(), nearest_codes(vectors.bfloat16(), codes.bfloat16(), cosine=cosine)
    assert torch.equal(found, nearest_codes(vectors.bfloat16().float(), short.float(), cosine=cosine))


def test_codes_that_are_not_used_are_counted() -> None:
    module = VQ.build()
    usage = module.usage(torch.tensor([[0, 0, 1, 1], [2, 2, 3, 3]]))
    assert usage.counts.tolist()[:5] == [2, 2, 2, 2, 0]
    assert usage.counts.shape == (40,)
    assert usage.used == pytest.approx(0.1)
    assert usage.perplexity == pytest.approx(4.0)
    assert module.usage(torch.zeros(3, dtype=torch.long)).perplexity == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no ids"):
        module.usage(torch.zeros(0, dtype=torch.long))


@pytest.mark.parametrize("spec", [VQ, TA])
def test_ids_outside_the_vocabulary_and_grids_that_are_not_square_are_refused(spec: Any) -> None:
    module = spec.build()
    with pytest.raises(ValueError, match="id 40 is no code of this tokenizer; ids are 0 to 39"):
        module.decode(torch.full((1, 16), 40))
    with pytest.raises(ValueError, match="id -1 is no code"):
        module.look_up(torch.tensor([3, -1]))
    with pytest.raises(ValueError, match="15 codes are no square grid"):
        module.decode(torch.zeros(1, 15, dtype=torch.long))


@pytest.mark.parametrize("spec", [VQ, attrs.evolve(VQ, nearest="euclidean")])
def test_vq_learns_from_scratch(spec: Vq) -> None:
    torch.manual_seed(0)
    module = spec.build()
    colours = torch.rand(4, 3, 2, 2, generator=Generator().manual_seed(1)) * 2 - 1
    images = colours.repeat_interleave(8, 2).repeat_interleave(8, 3)
    optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3)
    generator = Generator().manual_seed(2)
    losses = []
    for _ in range(15):
        terms = module.loss(images, generator)
        optimiser.zero_grad()
        sum(terms.values()).mean().backward()
        optimiser.step()
        losses.append(terms["reconstruction"].mean().item())
    assert losses[-1] < 0.8 * losses[0]


def test_only_the_projection_of_ta_toks_codes_trains() -> None:
    torch.manual_seed(0)
    module = TA.build()
    images = torch.randn(2, 3, 56, 56, generator=Generator().manual_seed(0))
    sum(module.loss(images, Generator()).values()).sum().backward()
    assert module.bottleneck.table.grad is None
    assert not module.bottleneck.table.requires_grad
    assert all(p.grad is not None for p in module.parameters() if p.requires_grad)
    assert [id(each) for each in module.bottleneck.fixed_parameters()] == [id(module.bottleneck.table)]


def test_a_stage_that_trains_a_ta_tok_leaves_its_table() -> None:
    parts = nn.ModuleDict({"vision": nn.ModuleDict({"ids": TA.build()})})
    losses = {"codes": Weighted(Autoencode("ids"))}
    stage = Stage(name="codes", steps=1, train=("vision.ids",), losses=losses, mixture={"squares": 1.0})
    trained = choose_trained(parts, stage)
    rest = {name for name, _ in parts.named_parameters()} - set(trained)
    assert rest == {"vision.ids.bottleneck.regularizer.embedding.weight"}


@pytest.mark.parametrize(
    ("spec", "name", "grid", "million"),
    [
        (Vq, "llamagen-16", 16, 71.9),
        (Vq, "llamagen-8", 32, 70.3),
        (Vq, "janus", 24, 71.9),
        (TaTok, "next", 27, 548.153),
    ],
)
def test_presets_are_the_public_sizes(spec: Any, name: str, grid: int, million: float) -> None:
    made = spec.preset(name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in made.build().parameters())
    assert made.grid == grid
    assert count / 1e6 == pytest.approx(million, rel=5e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attrs.evolve(VQ, widths=(32, 48)), "widths 48 must be multiples of 32"),
        (lambda: attrs.evolve(VQ, image_size=15), "15 is not a multiple of 2, the reduction; 16 is"),
        (lambda: attrs.evolve(TA, decoder_heads=7), "do not divide hidden_width 48; 6 do"),
        (lambda: attrs.evolve(TA, pool=3), "pool 3 does not divide"),
    ],
)
def test_impossible_sizes_say_what_would_do(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
