"""The sizes of a vision transformer spec in the words of the transformers library, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from diptych_encoders.vision_transformer import VisionTransformer

_ACTIVATIONS = {"quick-gelu": "quick_gelu", "gelu": "gelu", "gelu-tanh": "gelu_pytorch_tanh"}
WORDS = {
    "hidden_width": "hidden_size",
    "mlp_width": "intermediate_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "image_size": "image_size",
    "patch_size": "patch_size",
    "activation": "hidden_act",
    "norm_eps": "layer_norm_eps",
}
"""Fields of a spec, and what the transformers library calls them."""

TEXT_TOWER = (r"text_model\.", r"logit_", r"text_projection", r"visual_projection", r".*position_ids$")
"""Patterns of what two-tower checkpoints hold beside the vision transformer."""


def layers_left_out(spec: VisionTransformer) -> list[str]:
    """Return patterns of the layers of a whole checkpoint that the spec's features do not need."""
    return [rf"encoder\.layers?\.{index}\." for index in range(spec.layers_used, spec.depth)]


def config_values(spec: VisionTransformer, words: Mapping[str, str] = WORDS) -> dict[str, Any]:
    """Return the configuration values of the whole model that a spec describes."""
    values = {theirs: getattr(spec, ours) for ours, theirs in words.items()}
    if "mlp_width" in words:
        values[words["mlp_width"]] = spec.inner_width
    values["hidden_act"] = _ACTIVATIONS[spec.activation]
    return {**values, "attn_implementation": spec.attention}


def sizes_of(config: PreTrainedConfig, words: Mapping[str, str] = WORDS) -> dict[str, Any]:
    """Return the values of a configuration that a spec fixes, in the spec's words."""
    sizes = {ours: getattr(config, theirs) for ours, theirs in words.items()}
    back = {theirs: ours for ours, theirs in _ACTIVATIONS.items()}
    sizes["activation"] = back.get(config.hidden_act, config.hidden_act)
    return sizes
