"""`hf-causal-lm`: any causal language model of transformers, built from a config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import frozen, validators

from diptych.backbones.lora_spec import Lora
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from diptych.backbones.hf_module import HFCausalLM

_POSITIVE = validators.ge(1)
_OPTIONAL = validators.optional(_POSITIVE)


@frozen
class HFCausalLMSpec(PartSpec):
    """Any `AutoModelForCausalLM` of transformers (Qwen3, Llama, SmolLM2 …)."""

    kind: ClassVar[str] = "backbone"
    model_type: str = setting("the family's name in transformers: qwen3, llama, …", default="qwen3")
    width: int = setting("hidden size", default=128, check=_POSITIVE)
    layers: int = setting("number of layers", default=4, check=_POSITIVE)
    heads: int = setting("attention heads", default=4, check=_POSITIVE)
    kv_heads: int | None = setting("key/value heads; as many as heads unless given", default=None, check=_OPTIONAL)
    head_width: int | None = setting("width of one head; width / heads unless given", default=None, check=_OPTIONAL)
    mlp_width: int | None = setting(
        "inner width of the MLP; 8/3 of the width unless given", default=None, check=_OPTIONAL
    )
    max_length: int = setting("most positions", default=4096, check=_POSITIVE)
    tied: bool = setting("share the embedding with the output", default=True)
    init_std: float = setting("standard deviation of fresh weights", default=0.02, check=validators.gt(0))
    attention: Literal["sdpa", "eager"] = setting(
        "how attention is computed; eager is quicker for bfloat16 on a CPU", default="sdpa"
    )
    extra: Mapping[str, Any] = setting("further fields of the transformers config", factory=dict)
    lora: Lora | None = setting("adapters that train instead of the model; none unless given", default=None)
    weights: str | None = setting("a hub id or folder of initial weights, read by build(…, weights=True)", default=None)
    known_ids: int | None = setting(
        "ids that the initial weights were trained with; rows of later ids start at the mean of theirs. Unless given, "
        "all rows of the checkpoint, which are often more than were trained",
        default=None,
        check=_OPTIONAL,
    )
    vocabulary: int | None = inferred("number of ids")

    def __attrs_post_init__(self) -> None:
        """Refuse heads that do not divide."""
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(f"kv_heads {self.kv_heads} must divide heads {self.heads}")
        if (self.head_width or self.width // self.heads) % 2 or self.width < 2 * self.heads:
            raise ValueError(
                f"a head of width {self.width} / {self.heads} must be even and at least 2 (rotary positions turn "
                "pairs); give `head_width`, or another number of heads"
            )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the shipped sizes."""
        return json.loads(files("diptych.backbones").joinpath("hf_presets.json").read_text())

    def ports(self) -> Ports:
        """Take ids or embeddings, give final states."""
        return Ports(
            inputs={"ids": Port("vocabulary"), "embeds": Port("b s width", "token embeddings")},
            outputs={"states": Port("b s width", "final-normed states")},
        )

    def config(self) -> dict[str, Any]:
        """Return the fields of the transformers config."""
        return {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads or self.heads,
            "head_dim": self.head_width or self.width // self.heads,
            "intermediate_size": self.mlp_width or -(-self.width * 8 // 3 // 8) * 8,
            "max_position_embeddings": self.max_length,
            "tie_word_embeddings": self.tied,
            "initializer_range": self.init_std,
            "vocab_size": self.vocabulary,
            "use_cache": False,
            "pad_token_id": None,
            "bos_token_id": None,
            "eos_token_id": None,
            **self.extra,
        }

    def build(self) -> HFCausalLM:
        """Make the model with fresh weights."""
        from diptych.backbones.hf_module import HFCausalLM

        return HFCausalLM(self.model_type, self.config(), self.attention, self.lora)

    def load_weights(self, module: HFCausalLM) -> None:
        """Read the initial weights named by `weights` into a built module."""
        module.load_pretrained(str(self.weights), self.known_ids)
