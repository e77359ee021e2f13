"""Builds EVA-CLIP's vision transformers, and loads their public weights from any of the layouts they come in."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from diptych.errors import CheckpointError
from diptych_encoders.modules.eva_transformer import EvaTransformer
from diptych_encoders.modules.features import VisionFeatures, check_size, options_of
from diptych_encoders.modules.foreign_files import read_foreign
from diptych_encoders.modules.positions import init_positions
from diptych_encoders.modules.pretrained import copy_weights


if TYPE_CHECKING:
    from diptych_encoders.eva_clip import EvaClip

_log = logging.getLogger("diptych_encoders")
_ANCHOR = "patch_embed.proj.weight"
# timm's names -> EVA-CLIP's
_RENAMES = (
    (r"(blocks\.\d+\.attn)\.norm\.", r"\1.inner_attn_ln."),
    (r"(blocks\.\d+\.mlp)\.norm\.", r"\1.ffn_ln."),
    (r"(blocks\.\d+\.mlp)\.fc1_g\.", r"\1.w1."),
    (r"(blocks\.\d+\.mlp)\.fc1_x\.", r"\1.w2."),
)
_THIRDS = re.compile(r"blocks\.\d+\.attn\.([qv]_bias|[qv]_proj\.bias|[qkv]_proj\.weight)$")


class EvaFeatures(VisionFeatures):
    """EVA-CLIP's states, pooled and projected: pixels -> features."""

    def states(self, pixels: Tensor) -> Tensor:
        """Return the states of the chosen layer `[b n d]`, the class token first, not pooled or projected."""
        model: Any = self.transformer
        check_size(pixels, model.image_size)
        return model(pixels)


def build_eva_clip(spec: EvaClip) -> EvaFeatures:
    """Make the encoder with fresh weights: only the layers that its features need."""
    model = EvaTransformer(
        width=spec.hidden_width,
        depth=spec.layers_used,
        heads=spec.heads,
        mlp_width=spec.inner_width,
        image_size=spec.image_size,
        patch_size=spec.patch_size,
        eps=spec.norm_eps,
        gated=spec.activation == "swiglu",
        post_norm=spec.post_norm,
        sub_norm=spec.sub_norm,
        rotary=spec.rotary,
        final_norm=spec.uses_final_norm,
        attention=spec.attention,
    )
    _initialise(model)
    init_positions(model.pos_embed[0], spec.position_init, grid=spec.patch_grid)
    return EvaFeatures(model, **options_of(spec))


def _initialise(model: EvaTransformer) -> None:
    """Draw fresh weights as EVA-CLIP does: std 0.02, the last maps of block i by sqrt(2 i) smaller."""
    nn.init.trunc_normal_(model.cls_token, std=0.02)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        for index, block in enumerate(model.blocks, 1):
            for name in ("attn.proj", "mlp.w3" if hasattr(block.mlp, "w3") else "mlp.fc2"):
                block.get_parameter(f"{name}.weight").div_(math.sqrt(2 * index))


def load_eva_clip(spec: EvaClip, module: VisionFeatures) -> None:
    """Fill the encoder with a checkpoint. A projection is never in one: it stays as initialised.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    tensors = eva_names(read_foreign(source), source)
    left_out = [rf"blocks\.{index}\." for index in range(spec.layers_used, spec.depth)]
    unused = [r"head\.", r".*rope\.", r"mask_token$", *left_out]
    unused += [] if spec.uses_final_norm else [r"norm\."]
    copy_weights(module.transformer, tensors, source, unused=unused, whole=True)


def eva_names(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Bring a checkpoint into the layout of Emu2's tower, which is ours.

    Emu2's and BLIP3-o's files have `attn.qkv` with one bias. EVA-CLIP's own have `q_bias` and `v_bias` (keys have
    none: a bias there changes nothing, as softmax ignores what is added to all scores of a query), and for B and L
    three maps `q_proj`, `k_proj`, `v_proj`; timm's give some norms and maps other names.

    Args:
        tensors: of the tower alone, or of a model that holds it under any prefix.
        source: for messages.

    Raises:
        CheckpointError: if there is no such tower, or more than one.
    """
    prefixes = [name.removesuffix(_ANCHOR) for name in tensors if name.endswith(_ANCHOR)]
    if len(prefixes) != 1:
        places = ", ".join(f"'{each}'" for each in prefixes) or "nowhere"
        raise CheckpointError(f"weights '{source}': expected one '{_ANCHOR}' of an EVA-CLIP tower, found it {places}")
    (prefix,) = prefixes
    own, taken = {}, 0
    for name, value in tensors.items():
        if name.startswith(prefix):
            ours = name.removeprefix(prefix)
            for pattern, replacement in _RENAMES:
                ours = re.sub(pattern, replacement, ours)
            ours = re.sub(r"(blocks\.\d+\.mlp)\.fc2\.", _second_map(tensors, prefix), ours)
            taken += ours != name
            own[ours] = value
    fused = _fuse(own)
    if taken or len(fused) != len(own):
        _log.info("weights '%s': %d names converted, %d tensors became %d", source, taken, len(own), len(fused))
    return fused


def _second_map(tensors: Mapping[str, Tensor], prefix: str) -> str:
    """Say what timm's `fc2` is called here: `w3` after two gated maps."""
    return r"\1.w3." if f"{prefix}blocks.0.mlp.fc1_g.weight" in tensors else r"\1.fc2."


def _fuse(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put the maps of queries, keys and values, and their biases, together."""
    fused = {name: value for name, value in tensors.items() if not _THIRDS.match(name)}
    for place in sorted({name.rpartition(".attn.")[0] + ".attn" for name in tensors if _THIRDS.match(name)}):
        weights = [tensors[name] for which in "qkv" if (name := f"{place}.{which}_proj.weight") in tensors]
        if len(weights) == 3:
            fused[f"{place}.qkv.weight"] = torch.cat(weights)
        queries, values = (
            tensors.get(f"{place}.{which}_bias", tensors.get(f"{place}.{which}_proj.bias")) for which in "qv"
        )
        if queries is not None and values is not None:
            fused[f"{place}.qkv.bias"] = torch.cat([queries, torch.zeros_like(queries), values])
    return fused
