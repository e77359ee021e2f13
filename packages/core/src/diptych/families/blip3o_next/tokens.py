"""TA-Tok inside a BLIP3o-NEXT: described by its tensors and back, and its names."""

from __future__ import annotations

from math import isqrt
from typing import Any

from diptych.errors import CheckpointError
from diptych.importing.importer import Foreign
from diptych.importing.rules import AnyRule, rename, skip


TOWER = "model.vision_tower.vision_tower"
SLOT = "vision.tokens"
SECTION = "ta_tok"
"""Section of a config that says what no shape shows, in the words of `ta-tok`; released configs have none."""
HEADS = {1152: 16}
"""Heads of the released encoder, by its width."""
UNUSED = "not computed: what is quantised are the last states but one, without the norm and pooling after them"


def describe_tokens(foreign: Foreign) -> dict[str, Any]:
    """Describe the tokenizer: by its tensors where they are, and by the config.

    Raises:
        CheckpointError: if nothing says how many heads its encoder has.
    """
    said = foreign.config.get(SECTION, {})
    if f"{TOWER}.bottleneck.in_linear.weight" not in foreign.tensors:
        return {"type": "ta-tok", "preset": "next", **said}
    width, _, patch, _ = foreign.shape(f"{TOWER}.encoder.embeddings.patch_embedding.weight")
    if "heads" not in said and width not in HEADS:
        raise CheckpointError(
            f"the encoder of this TA-Tok is {width} wide, and no tensor says how many heads it has; "
            f'add "{SECTION}": {{"heads": …}} to config.json'
        )
    layers = f"{TOWER}.encoder.encoder.layers"
    # the place table covers whole patches; pixels beyond them are not seen, so 384 of patches of 14 are said to be 378
    side = isqrt(foreign.shape(f"{TOWER}.encoder.embeddings.position_embedding.weight")[0]) * patch
    return {
        "type": "ta-tok",
        "image_size": 384 if width in HEADS and side == 378 else side,
        "vocabulary": foreign.shape(f"{TOWER}.bottleneck.regularizer.embedding.weight")[0],
        "code_width": foreign.shape(f"{TOWER}.bottleneck.in_linear.weight")[0],
        "hidden_width": width,
        "depth": foreign.count(layers),
        "heads": HEADS.get(width),
        "patch_size": patch,
        "mlp_width": foreign.shape(f"{layers}.0.mlp.fc1.weight")[0],
        "decoder_depth": foreign.count(f"{TOWER}.decoder.vision_model.encoder.layers"),
        "decoder_mlp_width": foreign.shape(f"{TOWER}.decoder.vision_model.encoder.layers.0.mlp.fc1.weight")[0],
        "decoder_table": isqrt(foreign.shape(f"{TOWER}.decoder.vision_model.embeddings.position_embedding.weight")[0]),
        **said,
    }


def tokens_section(part: Any) -> dict[str, Any]:
    """Return the section that says all sizes of a tokenizer; empty for the released one."""
    names = (
        *("image_size", "vocabulary", "code_width", "hidden_width", "depth", "heads", "patch_size", "mlp_width"),
        *("layer", "decoder_depth", "decoder_heads", "decoder_mlp_width", "decoder_table", "unit_codes"),
    )
    released = type(part).preset("next")
    if all(getattr(part, name) == getattr(released, name) for name in names):
        return {}
    return {name: getattr(part, name) for name in names}


def token_rules(depth: int) -> list[AnyRule]:
    """Name the tensors of a tokenizer with so many layers; of its encoder only what is quantised is computed."""
    ours, layers = f"{SLOT}.encoder.transformer", range(depth)
    kept = [f"encoder.layers.{layer}.{{rest...}}" for layer in layers[:-1]]
    gone = [f"encoder.layers.{layer}.{{rest...}}" for layer in layers[-1:]]
    modules = ("embeddings", "encoder", "post_layernorm")
    return [
        rename(f"{TOWER}.encoder.embeddings.{{rest...}}", f"{ours}.embeddings.{{rest...}}"),
        *(rename(f"{TOWER}.encoder.{layer}", f"{ours}.{layer}") for layer in kept),
        *(skip(f"{TOWER}.encoder.{each}", UNUSED) for each in (*gone, "post_layernorm.{rest...}", "head.{rest...}")),
        rename(f"{TOWER}.encode_task_layer.{{rest...}}", f"{SLOT}.encode_task_layer.{{rest...}}"),
        rename(f"{TOWER}.bottleneck.{{rest...}}", f"{SLOT}.bottleneck.{{rest...}}"),
        rename(f"{TOWER}.decode_task_layer.{{rest...}}", f"{SLOT}.decoder.task_layer.{{rest...}}"),
        *(
            rename(f"{TOWER}.decoder.vision_model.{each}.{{rest...}}", f"{SLOT}.decoder.transformer.{each}.{{rest...}}")
            for each in modules
        ),
        skip(f"{TOWER}.decoder.vision_model.head.{{rest...}}", UNUSED),
        skip(f"{TOWER}.scale_layer.{{kind}}", "mean 0 and spread 1: pictures are normalised before"),
    ]
