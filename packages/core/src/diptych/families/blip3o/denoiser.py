"""The Lumina-Next denoiser of BLIP3-o, described by its own tensors."""

from __future__ import annotations

from typing import Any

from diptych.importing.importer import Foreign


def describe_denoiser(foreign: Foreign, prefix: str) -> dict[str, Any]:
    """Read the sizes of a denoiser off its tensors, so that either rule for the width of its FFN is met.

    Released configs say nothing of it; what no shape shows may stand under `dit` in the config: the side of its
    patches (1) and the epsilon of its norms (1e-5).
    """
    said = foreign.config.get("dit", {})
    width = foreign.shape(f"{prefix}.patch_embedder.proj.weight")[0]
    (heads,) = foreign.shape(f"{prefix}.layers.0.gate")
    return {
        "type": "lumina-next",
        "hidden_width": width,
        "layers": foreign.count(f"{prefix}.layers"),
        "heads": heads,
        "kv_heads": foreign.shape(f"{prefix}.layers.0.attn1.to_k.weight")[0] // (width // heads),
        "patch_size": said.get("patch_size", 1),
        "ffn_width": foreign.shape(f"{prefix}.layers.0.feed_forward.linear_1.weight")[0],
        "qk_norm": f"{prefix}.layers.0.attn1.norm_q.weight" in foreign.tensors,
        "norm_eps": said.get("norm_eps", 1e-5),
    }
