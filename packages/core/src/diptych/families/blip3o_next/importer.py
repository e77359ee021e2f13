"""`blip3o-next`: the checkpoints of the branch BLIP3o-NEXT, written by transformers 4.51."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import frozen

from diptych.errors import CheckpointError
from diptych.families.blip3o_next.prompt import FIRST, PAD, PROMPT, token_fields, token_ids
from diptych.families.blip3o_next.tokens import SECTION, describe_tokens, token_rules, tokens_section
from diptych.families.qwen import settled_text, text_backbone, text_config, text_rules
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
from diptych.importing.rules import AnyRule, rename
from diptych.spec.model import ModelSpec


SANA, CONNECTOR = "model.sana", "model.diffusion_connector"
EDIT_FLAGS = (
    "use_und_image_vae",
    "use_und_image_vae_as_noise",
    "only_use_und_image_vae_as_noise",
    "use_tar_siglip_features",
)
"""What a config says of the branch BLIP3o-NEXT-edit."""
HEAD = "generate.latents.head.network"
RELEASED = "1.5-1.6b-1024"
"""SANA's preset in the released models."""


@frozen
class Blip3oNext(Importer):
    """BLIP3o-NEXT: a text Qwen3 writes TA-Tok's ids, and SANA 1.5 paints DC-AE latents under their states."""

    model_types: ClassVar[tuple[str, ...]] = ("blip3o_qwen", "blip3o_qwen_inference")
    left_out: ClassVar[Mapping[str, str]] = {
        "vision.tokens": "needed only to read pictures as ids: in training, and to edit them"
    }

    def check(self, foreign: Foreign) -> None:
        """Refuse another family; that of BLIP3-o's main branch has the same `model_type`.

        Raises:
            CheckpointError: naming what it lacks.
        """
        super().check(foreign)
        if f"{SANA}.patch_embed.proj.weight" not in foreign.tensors:
            raise CheckpointError(
                f"this is no BLIP3o-NEXT: it has no tensor {SANA}.patch_embed.proj.weight; "
                "checkpoints of BLIP3-o's main branch are read by `blip3o`"
            )
        self.check_edits(foreign)

    def check_edits(self, foreign: Foreign) -> None:
        """Refuse a checkpoint that edits pictures.

        Raises:
            CheckpointError: naming what its config says.
        """
        said = [flag for flag in EDIT_FLAGS if foreign.config.get(flag)]
        if said:
            raise CheckpointError(f"it edits pictures: its config says {said[0]}; it is read by `blip3o-next-edit`")

    def describe(self, foreign: Foreign) -> dict[str, Any]:
        """Translate the config; sizes of the networks are read from their tensors."""
        codes, first = int(foreign.value("num_image_tokens")), int(foreign.value("image_start_token_id"))
        last = foreign.config.get("image_end_token_id", first + codes - 1)
        tokens = describe_tokens(foreign)
        if last - first + 1 != codes or tokens.get("vocabulary", codes) != codes:
            raise CheckpointError(
                f"image ids do not agree: num_image_tokens is {codes}, image_start_token_id to image_end_token_id are "
                f"{last - first + 1}, and TA-Tok has {tokens.get('vocabulary', codes)} codes"
            )
        return {
            "backbone": text_backbone(foreign, "qwen3"),
            "tokenizer": self.tokenizer(foreign, foreign.value("vocab_size")),
            "prompt": {**PROMPT, "token_ids": token_ids(foreign.config)},
            "vision": {
                "tokens": tokens,
                "vae": describe_autoencoder(foreign, foreign.config.get(NETWORK, {}).get("sample_size", 32)),
            },
            "text": {"type": "next-token"},
            "generate": [_ids(codes, first, foreign.config.get("pad_token_id")), _latents(foreign)],
            "decode": {"of": "latents"},
        }

    @property
    def reference(self) -> Mapping[str, Any]:
        """Draw the times of training from a table of 1000; no turn is closed before the picture here."""
        latents = {"name": "latents", "head": {"timesteps": {"type": "reference-integer"}}}
        return {"prompt": {"closed_turn": False}, "generate": [{"name": "ids"}, latents]}

    def rules(self, foreign: Foreign) -> Sequence[AnyRule]:
        """Return the table."""
        return [
            *text_rules(tied=bool(foreign.value("tie_word_embeddings"))),
            rename(f"{SANA}.{{rest...}}", f"{HEAD}.transformer.{{rest...}}"),
            *self.connector_rules(foreign),
            rename("model.sana_vae.{rest...}", "vision.vae.model.{rest...}"),
            *token_rules(_depth(foreign)),
        ]

    def connector_rules(self, foreign: Foreign) -> list[AnyRule]:
        """Name what brings the states of ids to the network's width."""
        return [rename(f"{CONNECTOR}.{{index}}.{{kind}}", f"{HEAD}.connector.{{index}}.{{kind}}")]

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """Write out what a spec may leave to rules."""
        return settled_network(settled_text(spec), HEAD)

    def config(self, spec: ModelSpec, original: Mapping[str, Any]) -> dict[str, Any]:
        """Translate back; what the original says beyond that stays.

        Raises:
            CheckpointError: if the model has not the slots of a BLIP3o-NEXT.
        """
        if [step.name for step in spec.generate] != ["ids", "latents"] or set(spec.vision) != {"tokens", "vae"}:
            raise CheckpointError(
                "layouts of BLIP3o-NEXT are for models with two generate steps, `ids` and `latents`, whose targets "
                "are vision.tokens and vision.vae"
            )
        ids, latents = (step.head for step in spec.generate)
        tokens, coder = spec.vision["tokens"], spec.vision["vae"]
        return {
            "model_type": self.model_types[0],
            **original,
            **text_config(spec.backbone),
            **_id_fields(spec, ids),
            **_sections(original, latents, coder),
            **({SECTION: own} if (own := tokens_section(tokens)) else {}),
        }


def _ids(codes: int, first: int, pad: Any) -> dict[str, Any]:
    """Describe the step that writes ids; temperature and the rest as its inference sets them."""
    known = {"null_id": pad} if isinstance(pad, int) else {}
    return {
        "name": "ids",
        "condition": {"type": "prompt-states"},
        "target": "tokens",
        "head": {
            **{"type": "autoregressive", "ids": "backbone", "codes": codes},
            **{"first_token": FIRST, "first_id": first, "null_token": PAD, **known},
            **{"top_k": 1200, "top_p": 0.95, "drop_prompt": 0.0},
        },
    }


def _latents(foreign: Foreign) -> dict[str, Any]:
    """Describe the step that paints latents."""
    return {
        "name": "latents",
        "condition": {"type": "states-of", "step": "ids"},
        "target": "vae",
        "head": {"type": "flow-matching", "network": describe_network(foreign, SANA, CONNECTOR)},
        "sampler": {"type": "euler", "steps": 30},
        "guidance": {"type": "classifier-free", "scale": 2.0},
    }


def _id_fields(spec: ModelSpec, head: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        **token_fields(spec.prompt.token_ids),
        "image_start_token_id": head.first_id,
        "image_end_token_id": head.first_id + head.codes - 1,
        "num_image_tokens": head.codes,
    }
    return fields if head.null_id is None else {**fields, "pad_token_id": head.null_id}


def _sections(original: Mapping[str, Any], head: Any, coder: Any) -> dict[str, Any]:
    released = released_sections(RELEASED)
    network = {**network_section(head.network), "sample_size": coder.grid}
    return {
        **with_section(original, NETWORK, network, released[NETWORK]),
        **with_section(original, AUTOENCODER, autoencoder_section(coder), released[AUTOENCODER]),
    }


def _depth(foreign: Foreign) -> int:
    """Return how many layers TA-Tok's encoder has, by its tensors or the config."""
    return int(describe_tokens(foreign).get("depth", 27))
