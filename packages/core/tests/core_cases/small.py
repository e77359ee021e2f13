"""The tiny model that most tests use: core's own parts only, 16 x 16 pictures, a backbone 16 wide."""

from copy import deepcopy
from typing import Any

from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure


MODEL: dict[str, Any] = {
    "name": "tiny",
    "backbone": {"type": "plain-transformer", "width": 16, "layers": 2, "heads": 2},
    "tokenizer": {"type": "bytes"},
    "vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}},
    "understand": {"encoder": "eye", "connector": {"type": "mlp", "positions": True}},
    "generate": [
        {
            "name": "features",
            "condition": {"type": "latent-queries", "count": 4},
            "target": "eye",
            "head": {"type": "linear-readout"},
        }
    ],
    "decode": {"of": "features", "decoder": {"type": "unpatch", "patch_size": 8, "hidden": 16}},
}
HF: dict[str, Any] = {
    "backbone": {"type": "hf-causal-lm", "width": 16, "layers": 2, "heads": 2, "kv_heads": 1, "mlp_width": 24}
}
RECIPE: dict[str, Any] = {
    "name": "tiny",
    "model": "model.yaml",
    "data": {"paint": {"type": "squares", "image_size": 16}},
    "stages": [
        {
            "name": "decode",
            "train": ["decode"],
            "mixture": {"paint": 1},
            "losses": {"reconstruct": {"objective": {"type": "reconstruct"}}},
            "steps": 3,
            "batch": 4,
            "warmup": 1,
        },
        {
            "name": "paint",
            "train": ["generate", "backbone"],
            "mixture": {"paint": 1},
            "losses": {"paint": {"objective": {"type": "paint"}}},
            "steps": 4,
            "batch": 4,
            "warmup": 1,
            "ema": 0.9,
        },
    ],
}


def model_data(**changes: Any) -> dict[str, Any]:
    """Return the plain data of the tiny model, with changes laid over it."""
    return merge(deepcopy(MODEL), changes)


def model_spec(**changes: Any) -> ModelSpec:
    """Return the spec of the tiny model, with changes laid over its data."""
    return structure(model_data(**changes), ModelSpec)


def recipe(**changes: Any) -> Recipe:
    """Return a recipe of two stages for the tiny model, with changes laid over its data."""
    return structure(merge(deepcopy(RECIPE), changes), Recipe)
