"""`blip3o-next-edit`: the checkpoints of the branch BLIP3o-NEXT-edit, from reading its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from diptych.errors import CheckpointError
from diptych.families.blip3o_next.importer import CONNECTOR, EDIT_FLAGS, SANA, Blip3oNext
from diptych.families.blip3o_next.prompt import EDIT
from diptych.families.qwen import settled_text
from diptych.families.sana import describe_network
from diptych.importing.importer import Foreign
from diptych.importing.rules import AnyRule, rename, skip
from diptych.spec.model import ModelSpec
from diptych.spec.part import evolved, replace_part, walk_parts


LATENTS = "model.und_image_vae_connector"
FEATURES = "model.tar_siglip_features_connector"
CONDITION = "generate.latents.condition"
AXIS = "width"
"""Along which the clean latent lies behind the noisy one; the original joins rows, and calls that CONCAT_AS_HEIGHT."""


@frozen
class Blip3oNextEdit(Blip3oNext):
    """BLIP3o-NEXT-edit: the picture to change is read as ids; its latents are seen by SANA, and lie beside the noise.

    Other than in BLIP3o-NEXT, guidance and dropping take place behind the connectors.
    """

    left_out: ClassVar[Mapping[str, str]] = {}

    def check_edits(self, foreign: Foreign) -> None:
        """Refuse a checkpoint that does not edit, or one that reads pictures in a way that no spec says.

        Raises:
            CheckpointError: naming what its config says.
        """
        if foreign.config.get("use_tar_siglip_features"):
            raise CheckpointError(
                "its config says use_tar_siglip_features: it reads pictures as features of TA-Tok's encoder, not as "
                "ids, which is not supported; the released model does not"
            )
        if not _attends(foreign.config) and not _beside(foreign.config):
            known = ", ".join(EDIT_FLAGS[:2])
            raise CheckpointError(f"its config says none of {known}; without them it is read by `blip3o-next`")

    def describe(self, foreign: Foreign) -> dict[str, Any]:
        """Translate the config; sizes of networks and connectors are read from their tensors."""
        described = super().describe(foreign)
        ids, latents = described["generate"]
        network = describe_network(foreign, SANA, CONNECTOR)
        states = {"type": "states-of", "step": "ids", "connector": network.pop("connector")}
        condition: dict[str, Any] = states
        if _attends(foreign.config):
            hidden = foreign.shape(f"{LATENTS}.0.weight")[0]
            connector = {"type": "mlp-norm", "preset": "sana", "hidden": hidden}
            seen = {"type": "reference-features", "part": "vae", "connector": connector}
            condition = {"type": "concat", "of": [states, seen]}
        head = {**latents["head"], "network": network, **({"clean_latent": AXIS} if _beside(foreign.config) else {})}
        return {
            **described,
            "prompt": {**described["prompt"], **EDIT},
            "understand": {"encoder": "tokens"},
            "generate": [ids, {**latents, "condition": condition, "head": head}],
        }

    def connector_rules(self, foreign: Foreign) -> list[AnyRule]:
        """Name what brings the states of ids and the latents of the picture to the network's width."""
        both = _attends(foreign.config)
        states = f"{CONDITION}.of.0" if both else CONDITION
        unused = "not computed: the config does not say {}"
        return [
            rename(f"{CONNECTOR}.{{index}}.{{kind}}", f"{states}.connector.{{index}}.{{kind}}"),
            rename(f"{LATENTS}.{{index}}.{{kind}}", f"{CONDITION}.of.1.connector.{{index}}.{{kind}}")
            if both
            else skip(f"{LATENTS}.{{rest...}}", unused.format("that the network sees the picture's latents")),
            skip(f"{FEATURES}.{{rest...}}", unused.format("use_tar_siglip_features")),
        ]

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """Write out what a spec may leave to rules."""
        spec = settled_text(spec)
        for path, part in walk_parts(spec):
            if path.startswith(CONDITION) and path.endswith(".connector") and hasattr(part, "hidden"):
                spec = replace_part(spec, path, evolved(part, hidden=part.hidden or part.out_width))  # type: ignore[attr-defined]
        return spec

    def config(self, spec: ModelSpec, original: Mapping[str, Any]) -> dict[str, Any]:
        """Translate back; what the original says beyond that stays.

        Raises:
            CheckpointError: if the model has not the slots of a BLIP3o-NEXT-edit.
        """
        config = super().config(spec, original)
        latents = spec.step("latents")
        attends, beside = ("vae" in getattr(latents.condition, "references", ()), latents.head.clean_latent)  # type: ignore[attr-defined]
        if spec.understand is None or spec.understand.encoder != "tokens" or not (attends or beside):
            raise CheckpointError(
                "the layout `blip3o-next-edit` is for models that read pictures as ids of vision.tokens, and paint "
                "from their latents: by `reference-features` of vision.vae, `clean_latent`, or both"
            )
        if (_attends(original), _beside(original)) == (attends, beside is not None):
            return config  # flags that mean the same stay as they are
        flags = (True, beside is not None, beside is not None and not attends, False)
        return {**config, **dict(zip(EDIT_FLAGS, flags, strict=True))}


def _attends(said: Mapping[str, Any]) -> bool:
    """Whether a config says that SANA's cross-attention sees the latents of the picture."""
    return bool(said.get("use_und_image_vae")) and not said.get("only_use_und_image_vae_as_noise")


def _beside(said: Mapping[str, Any]) -> bool:
    """Whether a config says that the clean latents of the picture lie beside the noisy ones."""
    return bool(said.get("use_und_image_vae_as_noise"))
