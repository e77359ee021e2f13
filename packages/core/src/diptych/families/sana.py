"""SANA's denoiser and its autoencoder inside checkpoints of others: described by their tensors and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diptych.errors import CheckpointError
from diptych.importing.importer import Foreign
from diptych.spec.model import ModelSpec
from diptych.spec.part import evolved, replace_part, walk_parts


HEADS = {2240: (70, 20), 1152: (36, 16)}
"""Heads of self- and of cross-attention by width, in the released networks; no shape shows them."""
NETWORK, AUTOENCODER = "sana", "vae"
"""Sections of a config that say what no shape shows, in the words of diffusers; released configs have none."""
REDUCTION = 32
"""Pixels along a side of one latent, where no section says otherwise."""


def describe_network(foreign: Foreign, prefix: str, connector: str) -> dict[str, Any]:
    """Read the sizes of a SANA off its tensors, and of the connector before it.

    Raises:
        CheckpointError: if its heads are said by neither its width nor the config.
    """
    width, _, patch, _ = foreign.shape(f"{prefix}.patch_embed.proj.weight")
    heads, cross = _heads(foreign.config.get(NETWORK, {}), width)
    inner = foreign.shape(f"{prefix}.transformer_blocks.0.ff.conv_inverted.weight")[0]
    return {
        "type": "sana",
        "heads": heads,
        "head_width": width // heads,
        "cross_heads": cross,
        "layers": foreign.count(f"{prefix}.transformer_blocks"),
        "mlp_ratio": inner / (2 * width),
        "patch_size": patch,
        "qk_norm": f"{prefix}.transformer_blocks.0.attn1.norm_q.weight" in foreign.tensors,
        "caption_width": foreign.shape(f"{connector}.2.weight")[0],
        "connector": {"type": "mlp-norm", "preset": "sana", "hidden": foreign.shape(f"{connector}.0.weight")[0]},
    }


def describe_autoencoder(foreign: Foreign, latents: int) -> dict[str, Any]:
    """Describe the deep compression autoencoder for pictures of so many latents a side."""
    said = foreign.config.get(AUTOENCODER)
    if not said:
        return {"type": "dc-ae", "preset": "sana-f32c32", "image_size": REDUCTION * latents}
    widths, blocks = said["encoder_block_out_channels"], said["encoder_block_types"]
    plain = blocks.count("ResBlock")
    return {
        "type": "dc-ae",
        "image_size": latents * 2 ** (len(widths) - 1),
        "channels": said["latent_channels"],
        "scaling_factor": said["scaling_factor"],
        "widths": widths,
        "encoder_layers": said["encoder_layers_per_block"],
        "decoder_layers": said["decoder_layers_per_block"],
        "attention_from": plain,
        "head_width": said["attention_head_dim"],
        "scales": said["encoder_qkv_multiscales"][plain] if plain < len(blocks) else [],
        "resample": "conv" if said.get("downsample_block_type", "conv") == "conv" else "shuffle",
        "batch_norm": said.get("decoder_norm_types") != "rms_norm",
    }


def settled_network(spec: ModelSpec, path: str) -> ModelSpec:
    """Write out the inner width of the connector before a network, which a spec may leave out."""
    network: Any = dict(walk_parts(spec)).get(path)
    connector = getattr(network, "connector", None)
    if connector is None or not hasattr(connector, "hidden"):
        return spec
    settled = evolved(connector, hidden=connector.hidden or connector.out_width)
    return replace_part(spec, f"{path}.connector", settled)


def network_section(network: Any) -> dict[str, Any]:
    """Return the section of a network; the inverse of what `describe_network` reads of it."""
    return {
        "num_attention_heads": network.heads,
        "num_cross_attention_heads": network.cross_heads,
        "attention_head_dim": network.head_width,
        "cross_attention_head_dim": network.hidden_width // network.cross_heads,
    }


def autoencoder_section(autoencoder: Any) -> dict[str, Any]:
    """Return the section of an autoencoder; the inverse of what `describe_autoencoder` reads of it."""
    levels, plain = len(autoencoder.widths), min(autoencoder.attention_from, len(autoencoder.widths))
    blocks = ["ResBlock"] * plain + ["EfficientViTBlock"] * (levels - plain)
    scales: list[list[int]] = [[] for _ in range(plain)] + [list(autoencoder.scales) for _ in range(levels - plain)]
    conv, batch_norm = autoencoder.resample == "conv", autoencoder.batch_norm
    norms = ["batch_norm"] * plain + ["rms_norm"] * (levels - plain)
    return {
        "latent_channels": autoencoder.channels,
        "scaling_factor": autoencoder.scaling_factor,
        "attention_head_dim": autoencoder.head_width,
        "encoder_block_out_channels": list(autoencoder.widths),
        "decoder_block_out_channels": list(autoencoder.widths),
        "encoder_layers_per_block": list(autoencoder.encoder_layers),
        "decoder_layers_per_block": list(autoencoder.decoder_layers),
        "encoder_block_types": blocks,
        "decoder_block_types": blocks,
        "encoder_qkv_multiscales": scales,
        "decoder_qkv_multiscales": scales,
        "downsample_block_type": "conv" if conv else "pixel_unshuffle",
        "upsample_block_type": "interpolate" if conv else "pixel_shuffle",
        "decoder_norm_types": norms if batch_norm else "rms_norm",
    }


def released_sections(preset: str) -> dict[str, dict[str, Any]]:
    """Return what a config would say of released networks, if it did: SANA by its preset, and its autoencoder."""
    from diptych.plugins import registry

    network = registry().load("network", "sana").preset(preset)
    autoencoder = registry().load("autoencoder", "dc-ae").preset("sana-f32c32")
    return {
        NETWORK: {**network_section(network), "sample_size": network.height},
        AUTOENCODER: autoencoder_section(autoencoder),
    }


def with_section(
    original: Mapping[str, Any], name: str, fields: Mapping[str, Any], released: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a section of a config if there was one, or if it says anything but what is released anyway."""
    if name not in original and all(released.get(key) == value for key, value in fields.items()):
        return {}
    return {name: {**original.get(name, {}), **fields}}


def _heads(said: Mapping[str, Any], width: int) -> tuple[int, int]:
    if "num_attention_heads" in said and "num_cross_attention_heads" in said:
        return said["num_attention_heads"], said["num_cross_attention_heads"]
    if width not in HEADS:
        known = ", ".join(map(str, HEADS))
        raise CheckpointError(
            f"this SANA is {width} wide, and no tensor says how many heads it has (known: widths {known}); "
            f'for others add "{NETWORK}": {{"num_attention_heads": …, "num_cross_attention_heads": …}} to config.json'
        )
    return HEADS[width]
