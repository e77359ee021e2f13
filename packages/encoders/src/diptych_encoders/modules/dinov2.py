"""Builds DINOv2's vision transformer from the transformers library, and loads its public weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from diptych_encoders.modules.features import VisionFeatures, check_size, options_of
from diptych_encoders.modules.positions import init_positions
from diptych_encoders.modules.pretrained import compare_sizes, copy_weights, load_official, read_config
from diptych_encoders.modules.vision_config import WORDS, layers_left_out


if TYPE_CHECKING:
    from diptych_encoders.dinov2 import Dinov2

_OWN = {ours: theirs for ours, theirs in WORDS.items() if ours not in ("mlp_width", "activation", "image_size")}


class Dinov2Features(VisionFeatures):
    """DINOv2's states, pooled and projected: pixels -> features."""

    image_size: int = 0

    def states(self, pixels: Tensor) -> Tensor:
        """Return the states of the chosen layer `[b n d]`, the class token first, not pooled or projected."""
        model: Any = self.transformer
        check_size(pixels, self.image_size)
        return model.layernorm(model.encoder(model.embeddings(pixels)).last_hidden_state)


def build_dinov2(spec: Dinov2) -> Dinov2Features:
    """Make the encoder with fresh weights: only the layers that its features need."""
    model = Dinov2Model(_config(spec, layers=spec.layers_used))
    trained = (spec.trained_size or spec.image_size) // spec.patch_size
    init_positions(model.embeddings.position_embeddings[0], spec.position_init, grid=trained)
    if not spec.uses_final_norm:
        model.layernorm = nn.Identity()  # type: ignore[assignment]
    encoder = Dinov2Features(model, **options_of(spec))
    encoder.image_size = spec.image_size
    return encoder


def load_dinov2(spec: Dinov2, module: VisionFeatures) -> None:
    """Fill the encoder with an official checkpoint. A projection is never in one: it stays as initialised.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    stored = read_config(Dinov2Config, source)
    compare_sizes(source, _sizes(stored), _sizes(_config(spec, layers=spec.depth)))
    config = _config(spec, layers=spec.layers_used)
    tensors = load_official(Dinov2Model, source, config=config)
    unused = [r"embeddings\.mask_token$", r"classifier\.", *layers_left_out(spec)]
    copy_weights(module.transformer, tensors, source, unused=unused)


def _sizes(config: Dinov2Config) -> dict[str, Any]:
    """Return the values of a configuration that a spec fixes, in the spec's words."""
    sizes = {ours: getattr(config, theirs) for ours, theirs in _OWN.items()}
    return {
        **sizes,
        "trained_size": config.image_size,
        "mlp_width": config.mlp_ratio * config.hidden_size,
        "activation": "swiglu" if config.use_swiglu_ffn else config.hidden_act,
    }


def _config(spec: Dinov2, *, layers: int) -> Dinov2Config:
    values: dict[str, Any] = {theirs: getattr(spec, ours) for ours, theirs in _OWN.items()}
    values |= {"num_hidden_layers": layers, "attn_implementation": spec.attention}
    return Dinov2Config(
        **values,
        image_size=spec.trained_size or spec.image_size,
        mlp_ratio=spec.inner_width // spec.hidden_width,
        use_swiglu_ffn=spec.activation == "swiglu",
        layerscale_value=spec.layer_scale,
        use_mask_token=False,  # only pre-training hides patches behind it
    )
