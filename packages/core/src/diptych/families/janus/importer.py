"""`janus`: Janus and Janus-Pro as transformers writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from attrs import frozen

from diptych.connectors.per_token import LinearConnector
from diptych.errors import CheckpointError
from diptych.families.janus.fields import ACTIVATIONS, EXTRA, EYE, IDS, TEXT, changed, whole
from diptych.families.janus.prompt import END, PAD, PROMPT, ROLES, START
from diptych.importing.importer import Foreign, Importer
from diptych.importing.rules import AnyRule, rename, repeat
from diptych.spec.model import ModelSpec
from diptych.spec.part import evolved, replace_part


OWN_LAYOUT = "multi_modality"
"""`model_type` of what DeepSeek released, of the first Janus and of Janus-Pro."""
_EYE = "vision.siglip.transformer"
_TABLE = "generate.tokens.head.table"


@frozen
class Janus(Importer):
    """Janus-Pro 1B and 7B: a Llama that reads SigLIP's features, and writes the ids of a VQ tokenizer."""

    model_types: ClassVar[tuple[str, ...]] = ("janus",)

    def check(self, foreign: Foreign) -> None:
        """Refuse other families, DeepSeek's own layout, and the first Janus, whose prompts are others.

        Raises:
            CheckpointError: saying which it is, and what would do.
        """
        if foreign.config.get("model_type") == OWN_LAYOUT:
            raise CheckpointError(
                f"its config says model_type '{OWN_LAYOUT}', which is DeepSeek's own layout; this importer reads "
                "the one of transformers: convert it with transformers' convert_janus_weights_to_hf.py, or take a "
                "checkpoint that was (deepseek-community/Janus-Pro-1B, deepseek-community/Janus-Pro-7B)"
            )
        super().check(foreign)
        words = _words(foreign.folder)
        missing = [role for role in ROLES if role not in words]
        if words and missing:
            raise CheckpointError(
                f"its tokenizer has no {' and no '.join(missing)}, with which every turn of Janus-Pro begins; in the "
                "first Janus (1.3B) roles are plain words: this importer reads Janus-Pro alone"
            )

    def describe(self, foreign: Foreign) -> dict[str, Any]:
        """Translate the config, its left out values as transformers fills them in."""
        config = whole(foreign.config)
        text, vision, ids = (config[name] for name in ("text_config", "vision_config", "vq_config"))
        _check_pictures(foreign.folder)
        widths = [ids["base_channels"] * each for each in ids["channel_multiplier"]]
        return {
            "backbone": {
                "type": "hf-causal-lm",
                "model_type": "llama",
                **{ours: text[theirs] for ours, theirs in TEXT.items()},
                "tied": _tied(foreign, config),
                "extra": {name: text[name] for name in EXTRA},
            },
            "tokenizer": self.tokenizer(foreign, text["vocab_size"]),
            "prompt": {**PROMPT, "token_ids": _token_ids(config, foreign.folder)},
            "vision": {
                "siglip": {
                    "type": "siglip",
                    **{ours: vision[theirs] for ours, theirs in EYE.items()},
                    "mlp_width": int(vision["hidden_size"] * vision["mlp_ratio"]),
                    "activation": ACTIVATIONS[vision["hidden_act"]],
                    "resize": "pad",
                },
                "vq": {
                    "type": "vq",
                    **{ours: ids[theirs] for ours, theirs in IDS.items()},
                    "widths": widths,
                    "latent_width": ids["latent_channels"],
                    "image_size": ids["num_patches"] * 2 ** (len(widths) - 1),
                },
            },
            "understand": {"encoder": "siglip", "connector": {"type": "mlp" if vision["depth"] == 2 else "linear"}},
            "text": {"type": "next-token"},
            "generate": [
                {
                    "name": "tokens",
                    "condition": {"type": "prompt-states"},
                    "target": "vq",
                    "head": {
                        "type": "autoregressive",
                        "codes": ids["num_embeddings"],
                        "embed_width": ids["embed_dim"],
                        "align_layers": ids["num_hidden_layers"],
                        "keep_first": 1,
                        "null_token": PAD,
                    },
                    "guidance": {"type": "classifier-free", "scale": 5.0},
                }
            ],
            "decode": {"of": "tokens"},
        }

    def rules(self, foreign: Foreign) -> Sequence[AnyRule]:
        """Return the table."""
        config = whole(foreign.config)
        layers, theirs, ours = "encoder.layers.{layer}", "model.vision_model", _EYE
        same = ["layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2", *(f"self_attn.{x}_proj" for x in "qkv")]
        named = {"self_attn.projection_layer": "self_attn.out_proj", **{each: each for each in same}}
        aligner = {"fc1": "0", "hidden_layers.0": "2"} if config["vision_config"]["depth"] == 2 else {"fc1": ""}
        aligner = {there: f"connector.{here}".rstrip(".") for there, here in aligner.items()}
        more = range(1, config["vq_config"]["num_hidden_layers"])
        table = {"generation_head.proj_out": "hidden", "generation_head.vision_head": "output"}
        table |= {"generation_aligner.fc1": "align.0"}
        table |= {f"generation_aligner.hidden_layers.{index - 1}": f"align.{index}" for index in more}
        output: AnyRule = (
            repeat("lm_head.weight", of="model.language_model.embed_tokens.weight")
            if _tied(foreign, config)
            else rename("lm_head.weight", "backbone.model.lm_head.weight")
        )
        return [
            output,
            rename("model.language_model.{rest...}", "backbone.model.model.{rest...}"),
            rename(f"{theirs}.embeddings.{{rest...}}", f"{ours}.embeddings.{{rest...}}"),
            rename(f"{theirs}.post_layernorm.{{kind}}", f"{ours}.post_layernorm.{{kind}}"),
            *(
                rename(f"{theirs}.{layers}.{there}.{{kind}}", f"{ours}.{layers}.{here}.{{kind}}")
                for there, here in named.items()
            ),
            *(rename(f"model.aligner.{a}.{{kind}}", f"understand.{b}.{{kind}}") for a, b in aligner.items()),
            rename("model.vqmodel.{rest...}", "vision.vq.model.{rest...}"),
            rename("model.generation_embeddings.weight", f"{_TABLE}.embedding.weight"),
            *(rename(f"model.{there}.{{kind}}", f"{_TABLE}.{here}.{{kind}}") for there, here in table.items()),
        ]

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """Write out the sizes that a spec may leave to rules, and leave out the id that a name decides."""
        backbone: Any = spec.backbone
        fields = backbone.config()
        spec = replace_part(
            spec,
            "backbone",
            evolved(
                backbone,
                kv_heads=fields["num_key_value_heads"],
                head_width=fields["head_dim"],
                mlp_width=fields["intermediate_size"],
            ),
        )
        eye: Any = spec.vision["siglip"]
        head: Any = spec.generate[0].head
        if head.null_token is not None:
            spec = replace_part(spec, "generate.tokens.head", evolved(head, null_id=None))
        return replace_part(spec, "vision.siglip", evolved(eye, mlp_width=eye.inner_width))

    def config(self, spec: ModelSpec, original: Mapping[str, Any]) -> dict[str, Any]:
        """Translate back; what the original says beyond that stays.

        Raises:
            CheckpointError: if the model has not the slots of a Janus.
        """
        if not {"siglip", "vq"} <= spec.vision.keys() or [step.name for step in spec.generate] != ["tokens"]:
            raise CheckpointError(
                "the layout `janus` is for models with one generate step, `tokens`, and `siglip` and `vq` under vision"
            )
        backbone: Any = spec.backbone
        eye: Any = spec.vision["siglip"]
        ids: Any = spec.vision["vq"]
        head: Any = spec.generate[0].head
        text = {theirs: getattr(backbone, ours) for ours, theirs in TEXT.items()}
        text |= {"num_key_value_heads": backbone.kv_heads or backbone.heads, "vocab_size": backbone.vocabulary}
        text |= {"head_dim": backbone.config()["head_dim"], "intermediate_size": backbone.config()["intermediate_size"]}
        text |= {"model_type": "llama", **dict(backbone.extra)}
        vision = {theirs: getattr(eye, ours) for ours, theirs in EYE.items()}
        vision |= {"mlp_ratio": eye.inner_width / eye.hidden_width, "projection_dim": backbone.width}
        vision |= {"hidden_act": {ours: theirs for theirs, ours in ACTIVATIONS.items()}[eye.activation]}
        vision |= {"num_image_tokens": eye.patch_grid**2}
        linear = spec.understand is not None and isinstance(spec.understand.connector, LinearConnector)
        vision |= {"depth": 1 if linear else 2}
        vq = {theirs: getattr(ids, ours) for ours, theirs in IDS.items()}
        vq |= {"base_channels": ids.widths[0], "latent_channels": ids.latent_width, "num_patches": ids.grid}
        vq |= {"channel_multiplier": [each // ids.widths[0] for each in ids.widths]}
        vq |= {"num_hidden_layers": head.align_layers}
        vq |= dict.fromkeys(("projection_dim", "image_token_embed_dim"), backbone.width)
        sections = {"text_config": text, "vision_config": vision, "vq_config": vq}
        wanted = {f"{name}.{key}": new for name, section in sections.items() for key, new in section.items()}
        wanted |= {"model_type": "janus", "tie_word_embeddings": backbone.tied}
        image = spec.prompt.token_ids.get(spec.prompt.image_pad)
        return changed(original, {**wanted, **({"image_token_id": image} if image is not None else {})})


def _tied(foreign: Foreign, config: Mapping[str, Any]) -> bool:
    """Say whether the output matrix is the embedding: as the config says, or by whether the file has one of its own."""
    said = foreign.config.get("tie_word_embeddings")
    if said is None and foreign.tensors:
        return "lm_head.weight" not in foreign.tensors
    return bool(config["tie_word_embeddings"] if said is None else said)


def _token_ids(config: Mapping[str, Any], folder: Path | None) -> dict[str, int]:
    """Return the ids that the config, and the one for generation, state for special tokens."""
    generation = _read(folder, "generation_config.json")
    said = {
        PROMPT["image_pad"]: config["image_token_id"],
        PROMPT["paint_open"]: (generation.get("generation_kwargs") or {}).get("boi_token_id"),
        START: generation.get("bos_token_id"),
        END: generation.get("eos_token_id"),
    }
    return {token: id_ for token, id_ in said.items() if isinstance(id_, int)}


def _check_pictures(folder: Path | None) -> None:
    """See that pictures are brought to [-1, 1], as SigLIP's are.

    Raises:
        CheckpointError: if the processor's config says otherwise.
    """
    said = _read(folder, "preprocessor_config.json") or _read(folder, "processor_config.json").get(
        "image_processor", {}
    )
    for name in ("image_mean", "image_std"):
        if any(each != 0.5 for each in said.get(name) or ()):
            raise CheckpointError(f"{name} of the picture processor is {said[name]}, but can only be 0.5 here")


def _words(folder: Path | None) -> set[str]:
    """Return the words of a folder's tokenizer; none if it has none that can be read, which is told later."""
    said = _read(folder, "tokenizer.json")
    added, vocabulary = said.get("added_tokens"), (said.get("model") or {}).get("vocab")
    named = [each.get("content") for each in added or [] if isinstance(each, dict)]
    return {*filter(None, named), *(vocabulary if isinstance(vocabulary, dict) else ())}


def _read(folder: Path | None, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8")) if folder and (folder / name).is_file() else {}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name} is damaged: {error}") from error
    return found if isinstance(found, dict) else {}
