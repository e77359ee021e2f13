"""Every slot has another choice: swapped models build, cost what they say, train two steps, answer and paint."""

import json
from typing import Any

import numpy as np
import pytest
import torch

import diptych
from diptych.costs import costs
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.part import walk_parts
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


GENERATE = {
    "name": "features",
    "condition": {"type": "concat", "of": [{"type": "prompt-states"}, {"type": "latent-queries", "count": 4}]},
    "target": "eye",
    "normalise": {"type": "channel-statistics"},
    "head": {
        "type": "flow-matching",
        "network": {"type": "lumina-next", "hidden_width": 16, "layers": 1, "heads": 2, "ffn_multiple_of": 8},
    },
    "sampler": {"type": "euler", "steps": 2},
    "guidance": {"type": "classifier-free"},
}
MODEL: dict[str, Any] = {
    "name": "swapped",
    "backbone": {"type": "hf-causal-lm", "width": 16, "layers": 1, "heads": 2},
    "tokenizer": {"type": "bytes"},
    "vision": {"eye": {"type": "clip", "hidden_width": 16, "depth": 1, "heads": 2, "image_size": 16, "patch_size": 8}},
    "understand": {"encoder": "eye", "connector": {"type": "mlp"}},
    "text": {"type": "next-token"},
    "generate": [GENERATE],
    "decode": {
        "of": "features",
        "decoder": {"type": "conv-pixels", "widths": [8, 4], "blocks": [0, 0], "pixel_patch": 4},
    },
}
STAGE: dict[str, Any] = {
    "name": "all",
    "train": ["backbone", "understand", "vision", "generate", "decode"],
    "mixture": {"ask": 1, "paint": 1},
    "losses": {
        "answer": {"objective": {"type": "answer"}},
        "paint": {"objective": {"type": "paint"}},
        "reconstruct": {"objective": {"type": "reconstruct"}},
        "match": {"objective": {"type": "contrastive", "encoder": "eye", "width": 8}},
    },
    "steps": 2,
    "batch": 6,
    "warmup": 1,
    "fit": 8,
}
DIT = {"type": "dit", "hidden_width": 16, "layers": 1, "heads": 2}
LATENTS = {
    "vision": {"vae": {"type": "autoencoder-kl", "image_size": 16, "channels": 3, "widths": [4, 8], "norm_groups": 2}},
    "generate": [{"name": "features", "target": "vae"}],
}


def losses(**changes: Any) -> dict[str, Any]:
    return {"losses": changes}


# name -> changes of the model, changes of the stage, what must have got a loss
SWAPS: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "as-it-is": ({}, {}, {"answer", "paint", "reconstruct"}),
    "encoder-siglip": ({"vision": {"eye": {**MODEL["vision"]["eye"], "type": "siglip"}}}, {}, {"paint"}),
    "encoder-patches": (
        {"vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}}},
        {"train": ["backbone", "understand", "generate", "decode"]},
        {"answer", "paint"},
    ),
    "head-regression": (
        {
            "generate": [
                {
                    "name": "features",
                    "head": {"type": "regression", "hidden_width": 16, "layers": 1, "heads": 2},
                    "sampler": None,
                    "guidance": None,
                }
            ]
        },
        {},
        {"paint"},
    ),
    "network-dit": (
        {
            "generate": [
                {"name": "features", "head": {"network": {"type": "dit", "hidden_width": 16, "layers": 1, "heads": 2}}}
            ]
        },
        {},
        {"paint"},
    ),
    "prediction-clean-cosine": (
        {"generate": [{"name": "features", "head": {"prediction": "clean", "noise_schedule": {"type": "cosine"}}}]},
        {},
        {"paint"},
    ),
    "sampler-heun-apg": (
        {"generate": [{"name": "features", "sampler": {"type": "heun", "steps": 2}, "guidance": {"type": "apg"}}]},
        {},
        {"paint"},
    ),
    "connector-linear": ({"understand": {"connector": {"type": "linear"}}}, {}, {"answer"}),
    "condition-queries": (
        {"generate": [{"name": "features", "condition": {"type": "latent-queries", "count": 3}}]},
        {},
        {"paint"},
    ),
    "normaliser-components": (
        {"generate": [{"name": "features", "normalise": {"type": "principal-components", "kept": 5}}]},
        {},
        {"paint"},
    ),
    "no-normaliser": ({"generate": [{"name": "features", "normalise": None}]}, {}, {"paint"}),
    "text-linear": ({"text": {"type": "linear"}}, {}, {"answer"}),
    "decoder-patch-mlp": (
        {"decode": {"decoder": {"type": "patch-mlp", "pixel_patch": 8, "hidden_width": 8}}},
        {},
        {"reconstruct"},
    ),
    "backbone-plain": (
        {"backbone": {"type": "plain-transformer", "width": 16, "layers": 1, "heads": 2}},
        {},
        {"answer"},
    ),
    "contrastive-sigmoid": (
        {},
        losses(match={"objective": {"type": "contrastive-sigmoid", "encoder": "eye", "width": 8}}),
        {"answer"},
    ),
    "target-autoencoder": (
        {**LATENTS, "decode": {"decoder": None}},
        {**losses(reconstruct={"objective": {"type": "autoencode", "part": "vae"}}), "train": [*STAGE["train"][:4]]},
        {"paint"},
    ),
    "target-autoencoder-with-a-decoder": (
        {**LATENTS, "decode": {"decoder": {"widths": [4], "blocks": [1], "pixel_patch": 2}}},
        {},
        {"paint", "reconstruct"},
    ),
}


def swapped(name: str) -> tuple[ModelSpec, Recipe]:
    model, stage, _ = SWAPS[name]
    data = {"ask": {"type": "squares", "image_size": 16, "task": "ask"}, "paint": {"type": "squares", "image_size": 16}}
    recipe = {"name": name, "model": "none", "data": data, "stages": [merge(STAGE, stage)]}
    return structure(merge(MODEL, model), ModelSpec), structure(recipe, Recipe)


@pytest.mark.parametrize("name", SWAPS)
def test_a_swapped_model_trains_answers_and_paints(name, tmp_path):
    spec, recipe = swapped(name)
    measured = costs(resolve(spec))
    model = diptych.build(spec)
    assert sum(measured.parameters.values()) == sum(each.numel() for each in model.parts.parameters())
    before = {key: value.clone() for key, value in model.parts.state_dict().items()}
    diptych.train(recipe, tmp_path / "run", model=model, quiet=True)
    after = model.parts.state_dict()
    slots = {".".join(key.split(".")[:2]) for key in before if not torch.equal(before[key], after[key])}
    assert any(slot.startswith("generate.") for slot in slots)
    assert any(slot.startswith("backbone.") for slot in slots)
    assert SWAPS[name][2] <= set(_logged(tmp_path / "run" / "log.jsonl"))
    loaded = diptych.load(tmp_path / "run" / "model")
    picture = np.full((16, 16, 3), 200, np.uint8)
    assert isinstance(loaded.ask(picture, "what?", max_tokens=3), str)
    together, alone = loaded.generate(["a", "a red square"], seed=1), loaded.generate("a red square", seed=1)
    assert together[0].size == (16, 16)
    assert np.abs(np.asarray(together[1], int) - np.asarray(alone[0], int)).max() <= 1
    assert len(loaded.reconstruct([picture])) == 1


def _logged(path) -> list[str]:
    return list(json.loads(path.read_text().splitlines()[-1])["losses"])


def test_every_slot_was_swapped():
    """Each kind that a model or stage holds appears here with at least two types."""
    seen: dict[str, set[str]] = {}
    for name in SWAPS:
        spec, recipe = swapped(name)
        for holder in (spec, recipe):
            for _, part in walk_parts(holder):
                seen.setdefault(part.kind, set()).add(type(part).__name__)
    for kind in ("backbone", "encoder", "connector", "condition", "normaliser", "head", "network", "noise_schedule"):
        assert len(seen[kind]) >= 2, (kind, seen[kind])
    for kind in ("sampler", "guidance", "decoder", "objective"):
        assert len(seen[kind]) >= 2, (kind, seen[kind])
