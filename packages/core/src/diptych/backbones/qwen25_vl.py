"""`qwen2.5-vl`: Qwen2.5-VL with its own vision tower."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import frozen, validators

from diptych.backbones.lora_spec import Lora
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych.spec.preprocess import Preprocess


if TYPE_CHECKING:
    from diptych.backbones.qwen25_vl_module import Qwen25VL

_POSITIVE = validators.ge(1)
_OPTIONAL = validators.optional(_POSITIVE)
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


@frozen
class Tower:
    """The sizes of the vision tower: windowed attention, some layers over the whole picture."""

    width: int = setting("hidden size", default=1280, check=_POSITIVE)
    layers: int = setting("number of layers", default=32, check=_POSITIVE)
    heads: int = setting("attention heads", default=16, check=_POSITIVE)
    mlp_width: int = setting("inner width of the MLP", default=3420, check=_POSITIVE)
    patch_size: int = setting("side of a patch, in pixels", default=14, check=_POSITIVE)
    merge: int = setting("patches along the side of the square that becomes one token", default=2, check=_POSITIVE)
    window: int = setting("side of an attention window, in pixels", default=112, check=_POSITIVE)
    whole: tuple[int, ...] = setting("layers, from 0, that attend to the whole picture", default=(7, 15, 23, 31))


@frozen
class Qwen25VLSpec(PartSpec):
    """Qwen2.5-VL (transformers): a language model that reads pictures through its own tower, with M-RoPE.

    Pictures are brought to one square size, as BLIP3-o does. For `understand: {encoder: backbone}`.
    """

    kind: ClassVar[str] = "backbone"
    reads_pictures: ClassVar[bool] = True

    width: int = setting("hidden size", default=2048, check=_POSITIVE)
    layers: int = setting("number of layers", default=36, check=_POSITIVE)
    heads: int = setting("attention heads", default=16, check=_POSITIVE)
    kv_heads: int = setting("key/value heads", default=2, check=_POSITIVE)
    mlp_width: int = setting("inner width of the MLP", default=11008, check=_POSITIVE)
    max_length: int = setting("most positions", default=128000, check=_POSITIVE)
    tied: bool = setting("share the embedding with the output", default=True)
    rope_theta: float = setting("base of the rotary frequencies", default=1e6, check=validators.gt(0))
    mrope_section: tuple[int, int, int] = setting(
        "pairs of a head's channels that turn with time, rows and columns", default=(16, 24, 24)
    )
    norm_eps: float = setting("epsilon of the RMSNorms", default=1e-6, check=validators.gt(0))
    init_std: float = setting("standard deviation of fresh weights", default=0.02, check=validators.gt(0))
    tower: Tower = setting("the vision tower", default=Tower())
    image_size: int = setting("side that pictures are brought to, in pixels", default=448, check=_POSITIVE)
    attention: Literal["sdpa", "eager"] = setting(
        "how attention is computed; eager is quicker for bfloat16 on a CPU", default="sdpa"
    )
    lora: Lora | None = setting("adapters that train instead of the language model; none unless given", default=None)
    weights: str | None = setting("a hub id or folder of initial weights, read by build(…, weights=True)", default=None)
    known_ids: int | None = setting(
        "ids that the initial weights were trained with (151665); rows of later ids start at the mean of theirs. "
        "Unless given, all rows of the checkpoint, which are more than were trained",
        default=None,
        check=_OPTIONAL,
    )
    vocabulary: int | None = inferred("number of ids")

    def __attrs_post_init__(self) -> None:
        """Refuse sizes that do not divide, all of them at once."""
        problems, step = [], self.tower.patch_size * self.tower.merge
        if self.width % self.heads or self.heads % self.kv_heads:
            problems.append(f"width {self.width}, heads {self.heads} and kv_heads {self.kv_heads} must divide in turn")
        elif 2 * sum(self.mrope_section) != self.width // self.heads:
            problems.append(
                f"mrope_section {self.mrope_section} must sum to half a head's width, {self.width // self.heads // 2}"
            )
        if self.image_size % step:
            near = max(round(self.image_size / step), 1) * step
            problems.append(f"image_size {self.image_size} is no multiple of patch_size x merge = {step}; {near} is")
        if self.tower.width % self.tower.heads or self.tower.width // self.tower.heads % 4:
            problems.append(f"tower: heads {self.tower.heads} must cut width {self.tower.width} into multiples of 4")
        if wrong := [each for each in self.tower.whole if not 0 <= each < self.tower.layers]:
            problems.append(f"tower: whole names layers {wrong}, but they are 0..{self.tower.layers - 1}")
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the public sizes."""
        return {
            name: {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
            for name, fields in json.loads(
                files("diptych.backbones").joinpath("qwen25_vl_presets.json").read_text()
            ).items()
        }

    @property
    def grid(self) -> int:
        """Tokens along the side of a picture."""
        return self.image_size // (self.tower.patch_size * self.tower.merge)

    def preprocess(self) -> Preprocess:
        """Stretch to the size, the mean and std of CLIP."""
        return Preprocess(self.image_size, self.image_size, "stretch", "bicubic", _MEAN, _STD)

    def ports(self) -> Ports:
        """Take ids, embeddings or pictures, give final states; pictures become embeddings."""
        return Ports(
            inputs={
                "ids": Port("vocabulary"),
                "embeds": Port("b s width", "token embeddings"),
                "image": Port("b 3 image_size image_size", "a picture to read"),
            },
            outputs={
                "states": Port("b s width", "final-normed states"),
                "picture": Port("b (grid grid) width", "embeddings of a picture"),
            },
        )

    def config(self) -> dict[str, Any]:
        """Return the fields of the transformers config."""
        text = {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "intermediate_size": self.mlp_width,
            "max_position_embeddings": self.max_length,
            "initializer_range": self.init_std,
            "rms_norm_eps": self.norm_eps,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": self.rope_theta,
                "mrope_section": list(self.mrope_section),
            },
            "vocab_size": self.vocabulary,
            "use_cache": False,
            "pad_token_id": None,
            "bos_token_id": None,
            "eos_token_id": None,
            "tie_word_embeddings": self.tied,
        }
        vision = {
            "depth": self.tower.layers,
            "hidden_size": self.tower.width,
            "num_heads": self.tower.heads,
            "intermediate_size": self.tower.mlp_width,
            "patch_size": self.tower.patch_size,
            "spatial_merge_size": self.tower.merge,
            "window_size": self.tower.window,
            "fullatt_block_indexes": list(self.tower.whole),
            "out_hidden_size": self.width,
        }
        return {"text_config": text, "vision_config": vision, "tie_word_embeddings": self.tied}

    def build(self) -> Qwen25VL:
        """Make the model with fresh weights."""
        from diptych.backbones.qwen25_vl_module import Qwen25VL

        return Qwen25VL(self.config(), self.attention, self.lora, self.grid)

    def load_weights(self, module: Qwen25VL) -> None:
        """Read the initial weights named by `weights` into a built module."""
        module.load_pretrained(str(self.weights), self.known_ids)
