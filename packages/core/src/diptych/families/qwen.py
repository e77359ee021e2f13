"""Qwen language models inside checkpoints of others: their config in our terms and back, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diptych.importing.importer import Foreign
from diptych.importing.rules import AnyRule, rename, repeat
from diptych.spec.model import ModelSpec
from diptych.spec.part import PartSpec, evolved, replace_part


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


def text_config(backbone: PartSpec | None) -> dict[str, Any]:
    """Return the fields of the foreign config that a backbone decides; the inverse of `text_backbone`."""
    spec: Any = backbone
    config = {theirs: getattr(spec, ours) for ours, theirs in FIELDS.items()}
    config["num_key_value_heads"] = spec.kv_heads or spec.heads
    config["intermediate_size"] = spec.config()["intermediate_size"]
    if spec.head_width:
        config["head_dim"] = spec.head_width
    return {**config, **dict(spec.extra), "vocab_size": spec.vocabulary}


def settled_text(spec: ModelSpec) -> ModelSpec:
    """Write out the sizes of a text model that a spec may leave to rules."""
    part: Any = spec.backbone
    if not hasattr(part, "mlp_width") or not hasattr(part, "config"):
        return spec
    sizes = part.config()
    settled = evolved(
        part,
        kv_heads=sizes["num_key_value_heads"],
        head_width=sizes["head_dim"],
        mlp_width=sizes["intermediate_size"],
    )
    return replace_part(spec, "backbone", settled)


def text_rules(*, tied: bool, ours: str = "backbone.model.model") -> list[AnyRule]:
    """Name the tensors of a text model: embeddings, layers, final norm, output."""
    output: AnyRule = (
        repeat("lm_head.weight", of="model.embed_tokens.weight")
        if tied
        else rename("lm_head.weight", "backbone.model.lm_head.weight")
    )
    return [
        rename("model.embed_tokens.weight", f"{ours}.embed_tokens.weight"),
        rename("model.layers.{layer}.{rest...}", f"{ours}.layers.{{layer}}.{{rest...}}"),
        rename("model.norm.weight", f"{ours}.norm.weight"),
        output,
    ]


VL_FIELDS = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "mlp_width": "intermediate_size",
    "max_length": "max_position_embeddings",
    "tied": "tie_word_embeddings",
    "rope_theta": "rope_theta",
    "norm_eps": "rms_norm_eps",
}
"""Fields of `qwen2.5-vl`, and of the configs that transformers 4 wrote."""
TOWER_FIELDS = {
    "width": "hidden_size",
    "layers": "depth",
    "heads": "num_heads",
    "mlp_width": "intermediate_size",
    "patch_size": "patch_size",
    "merge": "spatial_merge_size",
    "window": "window_size",
    "whole": "fullatt_block_indexes",
}
_READING = "und_image_size"


def vl_backbone(foreign: Foreign) -> dict[str, Any]:
    """Describe a Qwen2.5-VL of transformers 4 as a backbone.

    The side that pictures are brought to, 448, is in the code of BLIP3-o and not in its config; another may stand there
    as `und_image_size`.
    """
    return {
        "type": "qwen2.5-vl",
        **{ours: foreign.value(theirs) for ours, theirs in VL_FIELDS.items()},
        "mrope_section": foreign.value("rope_scaling.mrope_section"),
        "tower": {ours: foreign.value(f"vision_config.{theirs}") for ours, theirs in TOWER_FIELDS.items()},
        "image_size": foreign.config.get(_READING, 448),
    }


def vl_config(backbone: PartSpec | None, original: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the foreign config that a Qwen2.5-VL decides; the inverse of `vl_backbone`."""
    spec: Any = backbone
    tower = {theirs: getattr(spec.tower, ours) for ours, theirs in TOWER_FIELDS.items()}
    tower |= {"fullatt_block_indexes": list(spec.tower.whole), "out_hidden_size": spec.width}
    config = {theirs: getattr(spec, ours) for ours, theirs in VL_FIELDS.items()}
    if spec.image_size != original.get(_READING, 448):
        config[_READING] = spec.image_size
    return {
        **config,
        "vocab_size": spec.vocabulary,
        "rope_scaling": {
            "type": "default",
            "rope_type": "default",
            **original.get("rope_scaling", {}),
            "mrope_section": list(spec.mrope_section),
        },
        "vision_config": {"model_type": "qwen2_5_vl", **original.get("vision_config", {}), **tower},
    }


def vl_rules(*, tied: bool) -> list[AnyRule]:
    """Name the tensors of a Qwen2.5-VL as transformers 4 wrote them: the tower beside the text model."""
    ours = "backbone.model.model"
    return [
        rename("visual.{rest...}", f"{ours}.visual.{{rest...}}"),
        *text_rules(tied=tied, ours=f"{ours}.language_model"),
    ]


def token_ids(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids that a Qwen-VL config states for special tokens; the tokenizer must agree with them."""
    said = {
        "<|vision_start|>": config.get("vision_start_token_id"),
        "<|vision_end|>": config.get("vision_end_token_id"),
        "<|image_pad|>": config.get("image_token_id"),
    }
    return {token: id_ for token, id_ in said.items() if isinstance(id_, int)}
