"""`siglip2-sana`: the SigLIP2 -> SANA decoder, as it is released and as its trainer writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, ClassVar

from attrs import frozen

from diptych.errors import CheckpointError
from diptych.families.sana import (
    AUTOENCODER,
    NETWORK,
    autoencoder_section,
    describe_autoencoder,
    describe_network,
    network_section,
    released_sections,
    settled_network,
    with_section,
)
from diptych.importing.importer import Foreign, Importer
from diptych.importing.rules import AnyRule, fresh, rename, skip
from diptych.spec.model import ModelSpec


@frozen
class Names:
    """Where one layout keeps what."""

    encoder: str
    network: str
    connector: str


LAYOUTS = {
    "released": Names("encoder.model.vision_model", "transformer.transformer", "transformer.connector"),
    "trainer": Names("encoder.vision_model", "transformer", "connector"),
}
ENCODER = "siglip"
TOWERS = {1152: {"num_attention_heads": 16, "num_hidden_layers": 27}}
"""What no shape shows of the released tower, SigLIP2-so400m, by its width."""
DRAWER = "decode.decoder"
SAMPLERS = {
    "released": {"type": "dpm++2m", "steps": 30, "shift": 3.0},
    "trainer": {"type": "euler", "steps": 30},
}
"""How each code samples: the released one by SANA's own solver, the trainer's by Euler's method."""
UNUSED = "not computed: features are the last states but one, without the norm and pooling after them"


@frozen
class Siglip2Sana(Importer):
    """SigLIP2 -> SANA: SigLIP2's last states but one, averaged over squares, drawn by SANA over DC-AE latents.

    Layouts: `released` (BLIP3o/SigLIP2_SANA) and `trainer` (the branch Reconstruction). An export keeps the one that
    was imported, and writes `released` for a model of one's own.
    """

    model_types: ClassVar[tuple[str, ...]] = ()

    def layout(self, foreign: Foreign) -> str:
        """Tell by the names of the denoiser.

        Raises:
            CheckpointError: if it has neither.
        """
        for name, names in LAYOUTS.items():
            if f"{names.network}.patch_embed.proj.weight" in foreign.tensors:
                return name
        wanted = " or ".join(f"{names.network}.patch_embed.proj.weight" for names in LAYOUTS.values())
        raise CheckpointError(f"this is no SigLIP2 -> SANA decoder: it has no tensor {wanted}")

    def describe(self, foreign: Foreign) -> dict[str, Any]:
        """Translate the config, most of it read off the tensors; what the config leaves out is as released."""
        names = _names(foreign)
        latents = foreign.config.get(NETWORK, {}).get("sample_size", foreign.config.get("input_size", 16))
        return {
            "vision": {ENCODER: _encoder(foreign, names.encoder)},
            "decode": {
                "of": ENCODER,
                "decoder": {
                    "type": "diffusion",
                    "network": describe_network(foreign, names.network, names.connector),
                    "autoencoder": describe_autoencoder(foreign, latents),
                    "null": "black-picture",
                    "sampler": SAMPLERS[foreign.layout or "released"],
                    "guidance": {"type": "classifier-free", "scale": 3.0},
                },
            },
        }

    @property
    def reference(self) -> Mapping[str, Any]:
        """Draw the times of training from a table of 1000."""
        return {"decode": {"decoder": {"timesteps": {"type": "reference-integer"}}}}

    def rules(self, foreign: Foreign) -> Sequence[AnyRule]:
        """Return the table of one layout; of the tower only what the features need."""
        names, ours = _names(foreign), f"vision.{ENCODER}.transformer"
        depth = _tower(foreign, names.encoder)["num_hidden_layers"]
        layers = [f"encoder.layers.{layer}.{{rest...}}" for layer in range(depth)]
        return [
            rename(f"{names.encoder}.embeddings.{{rest...}}", f"{ours}.embeddings.{{rest...}}"),
            *(rename(f"{names.encoder}.{layer}", f"{ours}.{layer}") for layer in layers[:-1]),
            skip(f"{names.encoder}.{layers[-1]}", UNUSED),
            *(skip(f"{names.encoder}.{each}.{{rest...}}", UNUSED) for each in ("post_layernorm", "head")),
            rename(f"{names.connector}.{{index}}.{{kind}}", f"{DRAWER}.network.connector.{{index}}.{{kind}}"),
            *_network(names.network, f"{DRAWER}.network.transformer"),
            rename("vae.{rest...}", f"{DRAWER}.autoencoder.model.{{rest...}}"),
            fresh(f"{DRAWER}.null", "features of a black picture, taken when they are first needed"),
            fresh(f"{DRAWER}.null_known", "as long as they are not taken"),
        ]

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """Write out what a spec may leave to rules."""
        return settled_network(spec, f"{DRAWER}.network")

    def config(self, spec: ModelSpec, original: Mapping[str, Any]) -> dict[str, Any]:
        """Translate back; what the original says beyond that stays.

        Raises:
            CheckpointError: if the model has not the slots of this decoder.
        """
        if list(spec.vision) != [ENCODER] or spec.backbone or spec.decode is None or spec.decode.of != ENCODER:
            raise CheckpointError(
                f"the layout `siglip2-sana` is for models without text that decode what `vision.{ENCODER}` gives"
            )
        tower: Any = spec.vision[ENCODER]
        drawer: Any = spec.decode.decoder
        latents = drawer.autoencoder.grid
        said = {"num_hidden_layers": tower.depth, "num_attention_heads": tower.heads}
        network = {**network_section(drawer.network), "sample_size": latents}
        released = released_sections("1.6b-512")
        config = {**original, "num_pooled_tokens": tower.pool_to**2 if tower.pool_to else -1}
        config |= with_section(original, ENCODER, said, TOWERS.get(tower.hidden_width, {}))
        config |= with_section(original, NETWORK, network, released[NETWORK])
        config |= with_section(original, AUTOENCODER, autoencoder_section(drawer.autoencoder), released[AUTOENCODER])
        return config


def _names(foreign: Foreign) -> Names:
    return LAYOUTS[foreign.layout or "released"]


def _network(theirs: str, ours: str) -> list[AnyRule]:
    """Name the denoiser's tensors; one rule a module, as another layout keeps the connector under the same prefix."""
    modules = ("patch_embed", "time_embed", "caption_projection", "caption_norm", "transformer_blocks", "proj_out")
    named = [rename(f"{theirs}.{module}.{{rest...}}", f"{ours}.{module}.{{rest...}}") for module in modules]
    return [*named, rename(f"{theirs}.scale_shift_table", f"{ours}.scale_shift_table")]


def _tower(foreign: Foreign, prefix: str) -> dict[str, Any]:
    """Return depth and heads of the tower: as the config says, or as released.

    Raises:
        CheckpointError: if neither says.
    """
    said = foreign.config.get(ENCODER, {})
    patches = f"{prefix}.embeddings.patch_embedding.weight"
    width = foreign.shape(patches)[0] if patches in foreign.tensors else 1152
    known = {**TOWERS.get(width, {}), **said}
    missing = [key for key in TOWERS[1152] if key not in known]
    if missing:
        more = ", ".join(f'"{key}": …' for key in missing)
        raise CheckpointError(
            f"the tower is {width} wide, and config.json does not say its {' and '.join(missing)}; "
            f'add "{ENCODER}": {{{more}}} to it'
        )
    return known


def _encoder(foreign: Foreign, prefix: str) -> dict[str, Any]:
    said = _tower(foreign, prefix)
    width, _, patch, _ = foreign.shape(f"{prefix}.embeddings.patch_embedding.weight")
    places = foreign.shape(f"{prefix}.embeddings.position_embedding.weight")[0]
    pooled = int(foreign.value("num_pooled_tokens"))
    if pooled != -1 and (pooled < 1 or isqrt(pooled) ** 2 != pooled):
        raise CheckpointError(f"num_pooled_tokens {pooled} in config.json is no square such as 64, nor -1 for all")
    return {
        "type": "siglip2",
        "hidden_width": width,
        "depth": said["num_hidden_layers"],
        "heads": said["num_attention_heads"],
        "mlp_width": foreign.shape(f"{prefix}.encoder.layers.0.mlp.fc1.weight")[0],
        "image_size": isqrt(places) * patch,
        "patch_size": patch,
        "norm_eps": said.get("layer_norm_eps", 1e-6),
        "layer": -2,
        "resize": "shorter-side",
        **({"pool_to": isqrt(pooled)} if pooled != -1 else {}),
    }
