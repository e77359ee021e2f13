"""Builds SigLIP's vision transformer from the transformers library, and loads its public weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from transformers import SiglipVisionConfig, SiglipVisionModel

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
    from diptych_encoders.siglip import Siglip


def build_siglip(spec: Siglip) -> VisionFeatures:
    """Make the encoder with fresh weights: only the layers and the pooling head that its features need."""
    model = SiglipVisionModel(_config(spec, layers=spec.layers_used))
    positions = model.embeddings.position_embedding.weight
    init_positions(positions, spec.position_init, grid=spec.patch_grid)
    if not spec.uses_final_norm:
        model.post_layernorm = nn.Identity()  # type: ignore[assignment]
    return VisionFeatures(model, **options_of(spec))


def load_siglip(spec: Siglip, module: VisionFeatures) -> None:
    """Fill the encoder with an official checkpoint. A projection is never in one: it stays as initialised.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    stored = read_config(SiglipVisionConfig, source)
    compare_sizes(source, sizes_of(stored), sizes_of(_config(spec, layers=spec.depth)))
    config = _config(spec, layers=spec.layers_used)
    tensors = load_official(SiglipVisionModel, source, config=config)
    copy_weights(module.transformer, tensors, source, unused=unused_of(spec))


def unused_of(spec: Siglip) -> list[str]:
    """Return patterns of what an official checkpoint holds beside what the spec's features need."""
    return [*TEXT_TOWER, *([] if spec.pooled else [r"head\."]), *layers_left_out(spec)]


def _config(spec: Siglip, *, layers: int) -> SiglipVisionConfig:
    values = {**config_values(spec), "num_hidden_layers": layers, "vision_use_head": spec.pooled}
    return SiglipVisionConfig(**values)
