"""Builds CLIP's vision transformer from the transformers library, and loads its public weights."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

from diptych_encoders.modules.features import VisionFeatures, options_of
from diptych_encoders.modules.positions import init_positions
from diptych_encoders.modules.pretrained import (
    compare_sizes,
    copy_weights,
    load_official,
    read_config,
)
from diptych_encoders.modules.vision_config import TEXT_TOWER, config_values, layers_left_out, sizes_of


if TYPE_CHECKING:
    from diptych_encoders.clip import Clip

_log = logging.getLogger("diptych_encoders")


def build_clip(spec: Clip) -> VisionFeatures:
    """Make the encoder with fresh weights: only the layers that its features need."""
    config = CLIPVisionConfig(**{**config_values(spec), "num_hidden_layers": spec.layers_used})
    model = CLIPVisionModel(config)
    positions = model.embeddings.position_embedding.weight
    init_positions(positions, spec.position_init, grid=spec.patch_grid)
    if not spec.uses_final_norm:
        model.post_layernorm = nn.Identity()  # type: ignore[assignment]
    return VisionFeatures(model, **options_of(spec))


def load_clip(spec: Clip, module: VisionFeatures) -> None:
    """Fill the encoder with an official checkpoint.

    The projection is taken from the checkpoint if it has one of the spec's width; otherwise it stays as it was
    initialised, and the log says so.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    stored = read_config(CLIPVisionConfig, source)
    config = CLIPVisionConfig(**config_values(spec), projection_dim=stored.projection_dim)
    compare_sizes(source, sizes_of(stored), sizes_of(config))
    config.num_hidden_layers = spec.layers_used
    unused = [*TEXT_TOWER, *layers_left_out(spec)]
    if module.projection is None:
        tensors = load_official(CLIPVisionModel, source, config=config)
        copy_weights(module.transformer, tensors, source, unused=unused)
        return
    tensors = load_official(CLIPVisionModelWithProjection, source, config=config)
    projection = tensors.pop("visual_projection.weight", None)
    inner = {name.removeprefix("vision_model."): tensor for name, tensor in tensors.items()}
    copy_weights(module.transformer, inner, source, unused=unused)
    if projection is None or projection.shape != module.projection.weight.shape:
        _log.warning(
            "weights '%s' hold no projection to width %d; it stays as initialised and wants training",
            source,
            spec.project,
        )
        return
    with torch.no_grad():
        module.projection.weight.copy_(projection)
