"""`blip3o`: the checkpoints of BLIP3-o's main branch, 4B and 8B, written by transformers 4.51."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import frozen

from diptych.errors import CheckpointError, suggest
from diptych.families.blip3o import decoder_folder
from diptych.families.blip3o.denoiser import describe_denoiser
from diptych.families.blip3o.prompt import PROMPT
from diptych.families.qwen import token_ids, vl_backbone, vl_config, vl_rules
from diptych.importing.files import WeightFiles
from diptych.importing.importer import Foreign, Importer
from diptych.importing.rules import AnyRule, rename
from diptych.spec.model import ModelSpec
from diptych.spec.part import evolved, replace_part, walk_parts


DENOISER = "model.dit.model"
TOWER = "model.gen_vision_tower.vision_tower.model"
TOWERS = {"eva-clip-E-14-plus": "E-14-plus"}
"""Towers that the config names, and the presets that say their sizes."""


@frozen
class Blip3o(Importer):
    """BLIP3-o 4B and 8B: Qwen2.5-VL, latent queries, the Lumina-Next denoiser on pooled EVA-CLIP features.

    With the folder `diffusion-decoder/` beside the shards it draws pictures too; without, it makes features.
    """

    model_types: ClassVar[tuple[str, ...]] = ("blip3o_qwen", "blip3o_qwen_inference")
    more_configs: ClassVar[tuple[str, ...]] = decoder_folder.CONFIGS
    files: ClassVar[tuple[WeightFiles, ...]] = (WeightFiles(), *decoder_folder.PLACES)
    left_out: ClassVar[Mapping[str, str]] = {
        "vision.clip": "needed only for training targets and reconstruction (4.35 B parameters in the released models)"
    }

    def describe(self, foreign: Foreign) -> dict[str, Any]:
        """Translate the config; sizes of the denoiser are read from its tensors, which no config states."""
        return {
            **self._decode(foreign),
            "backbone": vl_backbone(foreign),
            "tokenizer": self.tokenizer(foreign, foreign.value("vocab_size")),
            "prompt": {**PROMPT, "token_ids": token_ids(foreign.config)},
            "vision": {"clip": _tower(foreign)},
            "understand": {"encoder": "backbone"},
            "text": {"type": "next-token"},
            "generate": [
                {
                    "name": "features",
                    "condition": {"type": "latent-queries", "count": foreign.value("n_query")},
                    "target": "clip",
                    "head": {"type": "flow-matching", "network": describe_denoiser(foreign, DENOISER)},
                    "sampler": {"type": "euler", "steps": 30},
                    "guidance": {"type": "classifier-free", "scale": 3.0},
                }
            ],
        }

    @staticmethod
    def _decode(foreign: Foreign) -> dict[str, Any]:
        if not decoder_folder.is_there(foreign):
            return {}
        return {"decode": {"of": "features", "decoder": decoder_folder.describe(foreign)}}

    def absent(self, foreign: Foreign) -> Mapping[str, str]:
        """Say what a checkpoint without the decoder's folder lacks."""
        if decoder_folder.is_there(foreign):
            return {}
        return {
            "decode": f"{foreign.folder} has no folder {decoder_folder.FOLDER}/, so that the model makes features and "
            "draws no pictures"
        }

    @property
    def reference(self) -> Mapping[str, Any]:
        """Draw the times of training from BLIP3-o's table of 1000."""
        return {"generate": [{"name": "features", "head": {"timesteps": {"type": "reference-integer"}}}]}

    def rules(self, foreign: Foreign) -> Sequence[AnyRule]:
        """Return the table."""
        return [
            *vl_rules(tied=bool(foreign.value("tie_word_embeddings"))),
            rename("model.latent_queries", "generate.features.condition.queries", unit_axes=(0,)),
            rename(f"{DENOISER}.{{rest...}}", "generate.features.head.network.{rest...}"),
            rename(f"{TOWER}.{{rest...}}", "vision.clip.transformer.{rest...}"),
            *decoder_folder.rules(),
        ]

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """Write out the sizes of the denoiser that a spec may leave to rules."""
        path = "generate.features.head.network"
        network: Any = dict(walk_parts(spec)).get(path)
        if network is None or not hasattr(network, "inner_width"):
            return spec
        settled = evolved(
            network,
            ffn_width=network.inner_width,
            ffn_multiplier=1.0,
            ffn_multiple_of=1,
            kv_heads=network.kv_heads or network.heads,
        )
        return replace_part(spec, path, settled)

    def config(self, spec: ModelSpec, original: Mapping[str, Any]) -> dict[str, Any]:
        """Translate back; what the original says beyond that stays.

        Raises:
            CheckpointError: if the model has not the slots of a BLIP3-o.
        """
        if "clip" not in spec.vision or [step.name for step in spec.generate] != ["features"]:
            raise CheckpointError(
                "the layout `blip3o` is for models with one generate step, `features`, and its target under vision.clip"
            )
        tower: Any = spec.vision["clip"]
        step: Any = spec.generate[0]
        said = {key: value for key, value in original.items() if key not in decoder_folder.CONFIGS}
        config = {"model_type": self.model_types[0], "gen_vision_tower": "eva-clip", **said}
        config |= vl_config(spec.backbone, original)
        config |= {
            "n_query": step.condition.count,
            "gen_hidden_size": tower.width,
            "gen_pooling": f"early_pool2d_{tower.pool}",
        }
        if config["gen_vision_tower"] not in TOWERS:
            config["gen_vision_config"] = {name: getattr(tower, name) for name in _TOWER_FIELDS}
        if spec.decode:
            config |= decoder_folder.configs(spec.decode.decoder, original)
        return config


_TOWER_FIELDS = ("hidden_width", "depth", "heads", "mlp_width", "image_size", "patch_size")


def _tower(foreign: Foreign) -> dict[str, Any]:
    """Describe the target tower: by its name, by `gen_vision_config`, or by its tensors and that."""
    name = str(foreign.value("gen_vision_tower"))
    shared = {"type": "eva-clip", "pool": _pool(str(foreign.value("gen_pooling")))}
    if name in TOWERS:
        return {**shared, "preset": TOWERS[name]}
    said = foreign.config.get("gen_vision_config", {})
    if "heads" not in said:
        raise CheckpointError(
            f"config.json names the tower '{name}'{suggest(name, TOWERS)}, and no tensor says how many heads it has; "
            f'towers known by name: {", ".join(TOWERS)}; for others add "gen_vision_config": {{"heads": …}} to it'
        )
    sizes = {}
    if f"{TOWER}.pos_embed" in foreign.tensors:
        width, _, patch, _ = foreign.shape(f"{TOWER}.patch_embed.proj.weight")
        grid = round((foreign.shape(f"{TOWER}.pos_embed")[1] - 1) ** 0.5)
        sizes = {
            "hidden_width": width,
            "depth": foreign.count(f"{TOWER}.blocks"),
            "mlp_width": foreign.shape(f"{TOWER}.blocks.0.mlp.fc1.weight")[0],
            "image_size": grid * patch,
            "patch_size": patch,
        }
    return {**shared, **sizes, **said}


def _pool(said: str) -> int:
    """Read `early_pool2d_4`: the grid is averaged over 4 x 4 squares."""
    kind, _, stride = said.rpartition("_")
    if kind != "early_pool2d" or not stride.isdigit():
        raise CheckpointError(f"gen_pooling '{said}' in config.json is not of the form early_pool2d_4")
    return int(stride)
