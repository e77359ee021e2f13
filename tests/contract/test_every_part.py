"""Every registered part of every kind keeps its kind's contract. A part without an example here fails: add one."""

import json
import subprocess
import sys
from typing import Any

import pytest

from diptych.plugins import registry
from diptych.spec.part import PartSpec
from diptych.spec.structure import structure
from diptych.testing import Example, cases, name_of_case


GRID = {"channels": 6, "height": 2, "width": 2}
VIT = {"hidden_width": 16, "depth": 2, "heads": 2, "image_size": 16, "patch_size": 4, "project": 6}
NETWORK = {"hidden_width": 16, "layers": 1, "heads": 2, "condition_width": 5, **GRID}
MLP = {"hidden_width": 16, "layers": 1, "condition_width": 5, **GRID}
SPECIAL = {"special": ["<|a|>", "<|b|>"]}
TOWER = {"width": 8, "heads": 2, "mlp_width": 8, "patch_size": 4, "window": 8}
TINY_KL = {"widths": [4, 8], "norm_groups": 2}
SANA = {"heads": 2, "head_width": 4, "cross_heads": 2, "layers": 1, "qk_norm": True}
WIDER = {"caption_width": 8, "connector": {"type": "mlp-norm", "in_width": 5, "out_width": 8}}
UNET = {"widths": [8], "blocks": 1, "attention_layers": [1], "head_width": 4, "norm_groups": 4, "size_width": 4}
TINY_DC = {"image_size": 16, "channels": 4, "widths": [8, 16], "encoder_layers": [1, 1], "decoder_layers": [1, 1]}
TINY_DC |= {"attention_from": 1, "head_width": 4}
# kind/type -> fields of a tiny spec, or several of them
EXAMPLES: dict[str, dict[str, Any] | list[dict[str, Any]]] = {
    "backbone/plain-transformer": {"width": 8, "layers": 2, "heads": 2, "vocabulary": 11},
    "backbone/hf-causal-lm": [
        {"width": 8, "layers": 2, "heads": 2, "kv_heads": 1, "mlp_width": 16, "vocabulary": 11, **more}
        for more in ({}, {"attention": "eager"}, {"lora": {"rank": 2}})
    ],
    "backbone/qwen2.5-vl": [
        {
            **{"width": 16, "layers": 1, "heads": 2, "kv_heads": 1, "mlp_width": 16, "mrope_section": [1, 1, 2]},
            **{"image_size": 16, "vocabulary": 11, **more},
            "tower": {**TOWER, "layers": 2, "whole": [1]},
        }
        for more in ({}, {"lora": {"rank": 2}})
    ],
    "tokenizer/bytes": SPECIAL,
    "tokenizer/emoji-words": SPECIAL,
    "encoder/patches": {"image_size": 16, "patch_size": 8},
    "encoder/clip": [VIT, {**VIT, "cls": "keep", "pool": 2, "attention": "eager"}],
    "encoder/eva-clip": [
        {**VIT, "pool": 2},
        {**VIT, "activation": "swiglu", "post_norm": False, "sub_norm": True, "rotary": 2, "cls": "keep", "pool_to": 3},
    ],
    "encoder/dinov2": [{**VIT, "trained_size": 24}, {**VIT, "activation": "swiglu", "cls": "keep", "layer": 1}],
    "encoder/siglip2": [VIT, {**VIT, "flexible": 3, "pool": 2}],
    "encoder/qwen2.5-vl": {
        **{"hidden_width": 16, "depth": 2, "heads": 2, "mlp_width": 12, "width": 6},
        **{"image_size": 16, "patch_size": 2, "window": 8, "whole_layers": [1]},
    },
    "encoder/siglip": [VIT, {**VIT, "pool": 2, "unit_features": True}],
    "autoencoder/autoencoder-kl": {"image_size": 16, "channels": 3, **TINY_KL},
    "autoencoder/autoencoder-tiny": {"image_size": 16, "channels": 3, "hidden_width": 8, "blocks": [1, 1]},
    "autoencoder/dc-ae": [TINY_DC, {**TINY_DC, "scales": [], "resample": "shuffle", "batch_norm": True}],
    "image_tokenizer/vq": [
        {"image_size": 16, "vocabulary": 11, "code_width": 4, "widths": [32, 32], "blocks": 1, **more}
        for more in ({"latent_width": 4}, {"latent_width": 4, "nearest": "euclidean"})
    ],
    "image_tokenizer/ta-tok": {
        **{name: value for name, value in VIT.items() if name != "project"},
        **{"vocabulary": 11, "code_width": 6, "mlp_width": 20},
        **{"decoder_depth": 1, "decoder_heads": 2, "decoder_mlp_width": 12, "decoder_table": 3},
    },
    "connector/linear": {"in_width": 6, "out_width": 8},
    "connector/mlp": [{"in_width": 6, "out_width": 8, "tokens": 4, "positions": on} for on in (False, True)],
    "connector/mlp-norm": {"in_width": 6, "out_width": 8},
    "connector/patch-merger": [
        {"height": 4, "width": 2, "in_width": 6, "out_width": 8, "positions": on} for on in (False, True)
    ],
    "condition/latent-queries": {"count": 3, "width": 8},
    "condition/prompt-states": {"width": 8},
    "condition/states-of": [
        {"step": "ids", "length": 3, "width": 5, **more}
        for more in ({}, {"connector": {"type": "linear", "in_width": 5, "out_width": 8}})
    ],
    "condition/reference-features": [
        {"part": "vae", "tokens": 4, "width": 5, **more}
        for more in ({}, {"connector": {"type": "mlp-norm", "in_width": 5, "out_width": 8}})
    ],
    "condition/concat": {
        "of": [{"type": "latent-queries", "count": 2, "width": 8}, {"type": "latent-queries", "count": 1, "width": 8}],
        "width": 8,
    },
    "normaliser/channel-statistics": {"channels": 5},
    "normaliser/principal-components": {"kept": 3, "channels": 5},
    "head/linear-readout": {"condition_width": 5, "channels": 6},
    "head/flow-matching": {"network": {"type": "dit", **NETWORK}, **GRID},
    "head/diffusion": [
        {"network": {"type": "dit", **NETWORK}, **GRID},
        {
            "network": {"type": "mlp", **MLP},
            "prediction": "noise",
            "noise_schedule": {"type": "scaled-linear", "zero_terminal": False},
            **GRID,
        },
    ],
    "head/regression": [
        {"readout": readout, "hidden_width": 16, "heads": 2, "condition_width": 5, **GRID}
        for readout in ("transformer", "linear")
    ],
    "head/autoregressive": [
        {"codes": 7, "condition_width": 6, "height": 2, "width": 2, **more}
        for more in (
            {"positions": "2d", "top_k": 5, "top_p": 0.9},
            {"ids": "backbone", "first_id": 3, "keep_first": 1},
        )
    ],
    "head/next-token": {},
    "head/linear": {"width": 8, "vocabulary": 11},
    "network/lumina-next": {**NETWORK, "ffn_multiple_of": 8},
    "network/dit": [{**NETWORK, "positions": positions} for positions in ("sin-cos", "learned")],
    "network/mlp": MLP,
    "network/sana": [{**SANA, "condition_width": 5, **GRID, **more} for more in ({"caption_width": 5}, WIDER)],
    "network/sdxl-unet": {**UNET, "condition_width": 5, **GRID},
    "noise_schedule/linear": [{}, {"shift": 3.0}],
    "noise_schedule/cosine": {},
    "noise_schedule/ddpm-linear": {},
    "noise_schedule/scaled-linear": {},
    "timesteps/uniform": [{}, {"shift": 3.0}],
    "timesteps/logit-normal": {},
    "timesteps/mode": [{}, {"weight": -0.5}],
    "timesteps/reference-integer": {},
    "timesteps/token-shift": {"tokens": 256},
    "sampler/euler": {"steps": 4},
    "sampler/heun": {"steps": 4},
    "sampler/ab2": {"steps": 4},
    "sampler/abm": {"steps": 4},
    "sampler/midpoint": {"steps": 4},
    "sampler/dpm++2m": {"steps": 4},
    "sampler/ddim": {"steps": 4},
    # with `leading` it starts after t = 1, as diffusers' does, and so follows no path from there (its own tests)
    "sampler/euler-discrete": [{"steps": 4, "spacing": each} for each in ("trailing", "linspace")],
    "guidance/classifier-free": [{}, {"start": 0.7, "end": 0.3}],
    "guidance/apg": [{}, {"momentum": -0.5}],
    "guidance/text-and-image": {},
    "decoder/unpatch": {"patch_size": 4, "hidden": 8, "channels": 6, "grid": 2},
    "decoder/conv-pixels": {"widths": [8, 4], "blocks": [1, 1], "pixel_patch": 2, "noise": 0.1, **GRID},
    "decoder/patch-mlp": {"pixel_patch": 4, "hidden_width": 8, **GRID},
    "decoder/diffusion": [
        {
            "network": {"type": "sdxl-unet", **UNET, "condition_width": 6, "channels": 3, "height": 4, "width": 4},
            "sampler": {"type": "euler", "steps": 2},
            **{"latent_channels": 3, "latent_height": 4, "latent_width": 4},
            **fields,
            **GRID,
        }
        for fields in (
            {"image_size": 4, "null": "black-picture"},
            {"image_size": 4, "null": "painted-space"},
            {"image_size": 8, "autoencoder": {"type": "autoencoder-kl", "image_size": 8, "channels": 3, **TINY_KL}},
        )
    ],
    "dataset/squares": [{"image_size": 16, "task": task} for task in ("ask", "paint", "edit")],
    "dataset/emoji-scenes": [
        {"task": task, "think": think} for task in ("ask", "paint", "imagine") for think in (False, True)
    ],
    "dataset/easy-vqa": {},
}
FREE = {
    "condition/reference-features": {"s": 4},
    "head/next-token": {"width": 8},
    "head/regression": {"q": 4},
    "head/flow-matching": {"condition_width": 5},
    "head/diffusion": {"condition_width": 5, "q": 4},
}
# these need a file, a whole model or a judge to run: their specs are checked here, their work elsewhere
SPEC_ONLY: dict[str, dict[str, Any]] = {
    "tokenizer/file": {"path": "tokenizer.json"},
    "objective/answer": {},
    "objective/paint": {},
    "objective/reconstruct": {},
    "objective/autoencode": {"part": "vae"},
    "objective/contrastive": {"encoder": "eye"},
    "objective/contrastive-sigmoid": {"encoder": "eye"},
    "metric/emoji-questions": {},
    "metric/emoji-captions": {},
    "metric/emoji-plans": {},
    "metric/emoji-painting": {},
    "metric/emoji-diversity": {},
    "metric/emoji-speed": {},
    "metric/emoji-reconstruction": {},
    "metric/easy-vqa": {},
    "importer/blip3o": {},
    "importer/blip3o-next": {},
    "importer/blip3o-next-edit": {},
    "importer/janus": {},
    "importer/siglip2-sana": {},
}
ENTRIES = {f"{entry.kind}/{entry.component.name}": entry for entry in registry().entries() if entry.kind != "spec"}


def spec_of(name: str, fields: dict[str, Any]) -> PartSpec:
    return structure(fields, ENTRIES[name].load(), name)


def examples():
    sampler, guidance = spec_of("sampler/euler", {"steps": 3}), spec_of("guidance/classifier-free", {})
    for name, written in EXAMPLES.items():
        several = written if isinstance(written, list) else [written]
        for number, fields in enumerate(several):
            samples = name in ("head/flow-matching", "head/diffusion")
            more = {"sampler": sampler, "guidance": guidance} if samples else {}
            free = FREE.get(name, {})
            note = str(number) if len(several) > 1 else ""
            yield Example(spec_of(name, fields), free=free, note=note, **more)
    for name, fields in SPEC_ONLY.items():
        yield Example(spec_of(name, fields), spec_only=True)


@pytest.mark.parametrize("name", ENTRIES)
def test_there_is_an_example_of_every_part(name):
    assert name in EXAMPLES or name in SPEC_ONLY, f"{name} has no example in this file: add one"


def test_every_example_is_of_a_registered_part():
    assert (EXAMPLES.keys() | SPEC_ONLY.keys()) <= ENTRIES.keys()


@pytest.mark.parametrize(("check", "example"), cases(examples()), ids=name_of_case)
def test_contract(check, example):
    check(example)


def test_no_spec_imports_torch():
    code = (
        "import sys, json\n"
        "from diptych.plugins import registry\n"
        "specs = [e.load() for e in registry().entries() if e.kind != 'spec']\n"
        "[cls.presets() for cls in specs]\n"
        "print(json.dumps([m for m in ('torch', 'transformers', 'diffusers', 'numpy') if m in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
