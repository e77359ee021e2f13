"""The config of a Janus in our terms and back: which of its values are which fields of our parts."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from diptych.errors import CheckpointError


TEXT = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "mlp_width": "intermediate_size",
    "max_length": "max_position_embeddings",
}
EXTRA = ("rms_norm_eps", "rope_parameters", "hidden_act", "attention_bias", "mlp_bias")
"""Values of the language model that have no field of ours and change its numbers."""
EYE = {
    "hidden_width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "image_size": "image_size",
    "patch_size": "patch_size",
    "norm_eps": "layer_norm_eps",
}
IDS = {"vocabulary": "num_embeddings", "code_width": "embed_dim", "blocks": "num_res_blocks"}
ACTIVATIONS = {"quick_gelu": "quick-gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu-tanh"}
_FIXED = {
    "text_config.model_type": "llama",
    "text_config.pretraining_tp": 1,
    "vision_config.num_channels": 3,
    "vision_config.attention_bias": True,
    "vision_config.use_qk_norm": False,
    "vq_config.double_latent": False,
    "vq_config.in_channels": 3,
    "vq_config.out_channels": 3,
    "vq_config.hidden_act": "gelu",
}
"""What all released models have, and what our parts do: another value would be another model."""


def whole(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with every value written out, as transformers fills in those that a file leaves out.

    Raises:
        CheckpointError: if transformers refuses it, or it describes a model that our parts cannot be.
    """
    from transformers.models.janus.configuration_janus import JanusConfig

    try:
        found: dict[str, Any] = JanusConfig.from_dict(deepcopy(dict(config))).to_dict()
    except Exception as error:  # its classes check their values in ways of their own
        raise CheckpointError(f"config.json is not that of a Janus: {error}") from error
    text, vision, ids = (found[name] for name in ("text_config", "vision_config", "vq_config"))
    problems = [
        f"{path} is {value(found, path)!r}, but can only be {only!r}"
        for path, only in _FIXED.items()
        if value(found, path) != only
    ]
    widths = {
        "vision_config.projection_dim": vision["projection_dim"],
        "vq_config.projection_dim": ids["projection_dim"],
        "vq_config.image_token_embed_dim": ids["image_token_embed_dim"],
    }
    problems += [
        f"{path} is {width}, but the language model is {text['hidden_size']} wide"
        for path, width in widths.items()
        if width != text["hidden_size"]
    ]
    if vision["hidden_act"] not in ACTIVATIONS:
        problems.append(f"vision_config.hidden_act {vision['hidden_act']!r} is none of {', '.join(ACTIVATIONS)}")
    elif vision["hidden_act"] != "gelu" and vision["depth"] > 1:
        problems.append("vision_config.hidden_act is that of the aligner too, and there can only be 'gelu'")
    if vision["depth"] not in (1, 2):
        problems.append(f"vision_config.depth is {vision['depth']}, but the aligner can have 1 or 2 layers")
    if ids["channel_multiplier"][0] != 1:
        problems.append("vq_config.channel_multiplier must begin with 1")
    if problems:
        raise CheckpointError("config.json describes what our parts cannot be:\n  " + "\n  ".join(problems))
    return found


def value(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path such as `text_config.hidden_size`."""
    for key in path.split("."):
        config = config[key]
    return config


def changed(original: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config that says what is wanted by path; where the original says it already, nothing is added to it."""
    config = deepcopy(dict(original))
    before = whole(original) if original else {}
    for path, new in wanted.items():
        try:
            if before and value(before, path) == new:
                continue
        except KeyError:
            pass
        *inside, last = path.split(".")
        node = config
        for key in inside:
            node = node.setdefault(key, {})
        node[last] = new
    return config
