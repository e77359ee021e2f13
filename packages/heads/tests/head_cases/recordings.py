"""The recordings of BLIP3-o in `data`, and the specs that they were made with."""

import json
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from diptych_heads.networks.specs import LuminaNext


DATA = Path(__file__).parents[1] / "data"


def recorded(name: str) -> dict[str, Tensor]:
    return load_file(DATA / f"{name}.safetensors")


def spec_of(name: str) -> LuminaNext:
    facts = json.loads((DATA / f"{name}.json").read_text())
    wide = facts["ffn_variant"] == "new"
    return LuminaNext(
        hidden_width=facts["dim"],
        layers=facts["n_layers"],
        heads=facts["n_heads"],
        kv_heads=facts["n_kv_heads"],
        patch_size=facts["patch_size"],
        ffn_width=facts["ffn_inner_dim"] if wide else None,
        ffn_multiplier=facts.get("ffn_dim_multiplier", 1.0),
        ffn_multiple_of=facts["multiple_of"],
        qk_norm=facts.get("qk_norm", True),
        norm_eps=facts.get("norm_eps", 1e-5),
        channels=facts["in_channels"],
        height=facts["input_size"],
        width=facts["input_size"],
        condition_width=facts["latent_embedding_size"],
    )


def inner_width_of(name: str) -> int:
    return json.loads((DATA / f"{name}.json").read_text())["ffn_inner_dim"]


def network_of(name: str) -> nn.Module:
    network = spec_of(name).build()
    weights = {
        key.removeprefix("weights."): value
        for key, value in recorded(name).items()
        if key.startswith("weights.")
    }
    network.load_state_dict(weights)
    return network
