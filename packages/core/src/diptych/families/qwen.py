"""Qwen language models inside checkpoints of others: their config in our terms and back, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diptych.importing.importer import Foreign
from diptych.importing.rules import AnyRule, rename, repeat
from diptych.spec.part import PartSpec


FIELDS = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "mlp_width": "intermediate_size",
    "max_length": "max_position_embeddings",
    "tied": "tie_word_embeddings",
}
"""Fields of `hf-causal-lm`, and of the configs of transformers."""
EXTRA = ("rope_theta", "rms_norm_eps")


def text_backbone(foreign: Foreign, model_type: str) -> dict[str, Any]:
    """Describe a text model of transformers as a backbone."""
    fields = {ours: foreign.value(theirs) for ours, theirs in FIELDS.items()}
    if "head_dim" in foreign.config:
        fields["head_width"] = foreign.value("head_dim")
    extra = {name: foreign.config[name] for name in EXTRA if name in foreign.config}
    return {"type": "hf-causal-lm", "model_type": model_type, **fields, "extra": extra}


def text_config(backbone: PartSpec) -> dict[str, Any]:
    """Return the fields of the foreign config that a backbone decides; the inverse of `text_backbone`."""
    spec: Any = backbone
    config = {theirs: getattr(spec, ours) for ours, theirs in FIELDS.items()}
    config["num_key_value_heads"] = spec.kv_heads or spec.heads
    config["intermediate_size"] = spec.config()["intermediate_size"]
    if spec.head_width:
        config["head_dim"] = spec.head_width
    return {**config, **dict(spec.extra), "vocab_size": spec.vocabulary}


def text_rules(*, tied: bool) -> list[AnyRule]:
    """Name the tensors of a text model: embeddings, layers, final norm, output."""
    ours = "backbone.model"
    output: AnyRule = (
        repeat("lm_head.weight", of="model.embed_tokens.weight")
        if tied
        else rename("lm_head.weight", f"{ours}.lm_head.weight")
    )
    return [
        rename("model.embed_tokens.weight", f"{ours}.model.embed_tokens.weight"),
        rename("model.layers.{layer}.{rest...}", f"{ours}.model.layers.{{layer}}.{{rest...}}"),
        rename("model.norm.weight", f"{ours}.model.norm.weight"),
        output,
    ]


def token_ids(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids that a Qwen-VL config states for special tokens; the tokenizer must agree with them."""
    said = {
        "<|vision_start|>": config.get("vision_start_token_id"),
        "<|vision_end|>": config.get("vision_end_token_id"),
        "<|image_pad|>": config.get("image_token_id"),
    }
    return {token: id_ for token, id_ in said.items() if isinstance(id_, int)}
