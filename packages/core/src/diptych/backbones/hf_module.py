"""The module of `hf-causal-lm`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import Cache, DynamicCache

from diptych.backbones.hf_weights import fill_from_transformers
from diptych.backbones.lora import inject, is_adapter
from diptych.backbones.lora_spec import Lora
from diptych.backbones.positions import positions_of, visible
from diptych.backbones.roomy_cache import with_room
from diptych.errors import suggest
from diptych.precision import ExactBuffers


_EVERYWHERE = ("head_dim", "use_cache", "pad_token_id", "bos_token_id", "eos_token_id", "tie_word_embeddings")
"""Fields that a spec always gives, whether or not the family has them."""


class HFCausalLM(ExactBuffers):
    """A transformers causal language model behind the backbone contract."""

    def __init__(
        self, model_type: str, config: dict[str, Any], attention: str = "sdpa", lora: Lora | None = None
    ) -> None:
        """Make the model with fresh weights.

        Raises:
            ValueError: if the family is not in transformers, or its config has no such field.
        """
        super().__init__()
        _check_fields(model_type, config)
        made = AutoConfig.for_model(model_type, **config)
        self.model = AutoModelForCausalLM.from_config(made, attn_implementation=attention)
        self.lora = lora
        if lora is not None:
            inject(self.model, lora)

    def fixed_parameters(self) -> Iterator[nn.Parameter]:
        """Return what no stage trains: everything under adapters, where there are any."""
        for name, each in self.model.named_parameters():
            if self.lora is not None and not is_adapter(name):
                yield each

    def embed(self, ids: Tensor) -> Tensor:
        """Look up embeddings: ids [b s] -> [b s d]."""
        return self.model.get_input_embeddings()(ids)

    def forward(self, embeds: Tensor, mask: Tensor, cache: Cache | None = None) -> Tensor:
        """Run the decoder.

        embeds [b s d], mask [b past+s] (True = real; padding on the left) -> final-normed states [b s d]

        With a cache, `embeds` are the new positions only and the cache grows.
        """
        return self._run(self.model.base_model, embeds, mask, positions_of(mask, embeds.shape[1]), cache)

    def logits(self, states: Tensor) -> Tensor:
        """Score the vocabulary: states [… d] -> [… v], scaled and capped as the family does."""
        config = self.model.config.get_text_config()
        logits = self.model.get_output_embeddings()(states)
        if less := getattr(config, "logits_scaling", None):  # Granite, MiniCPM
            logits = logits / less
        for name in ("logit_scale", "lm_head_multiplier"):  # Cohere, Falcon-H1
            if more := getattr(config, name, None):
                logits = logits * more
        if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
            logits = (logits / cap).tanh() * cap
        return logits

    def new_cache(self) -> Cache:
        """Make an empty key/value cache for incremental decoding."""
        cache = DynamicCache(config=self.model.config)
        with_room(cache)
        return cache

    def load_pretrained(self, source: str, known_ids: int | None = None) -> None:
        """Copy weights from a transformers folder or hub id; see `fill_from_transformers`."""
        fill_from_transformers(self.model, source, known_ids)

    def is_exact(self, name: str) -> bool:
        """Keep rotary frequencies, as transformers' own loading does.

        Rounded to bfloat16 they would turn a word at position 1000 by radians too far.
        """
        return name.endswith("inv_freq")

    @staticmethod
    def _run(decoder: Any, embeds: Tensor, mask: Tensor, positions: Tensor, cache: Cache | None) -> Tensor:
        hidden = ~visible(mask, embeds.shape[1])
        additive = torch.zeros(hidden.shape, dtype=embeds.dtype, device=embeds.device)
        out = decoder(
            inputs_embeds=embeds,
            attention_mask=additive.masked_fill(hidden, torch.finfo(embeds.dtype).min),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out.last_hidden_state


def _check_fields(model_type: str, config: Mapping[str, Any]) -> None:
    """Refuse fields that a family's config would keep and nothing read."""
    plain = AutoConfig.for_model(model_type)
    known = {*plain.to_dict(), *plain.attribute_map, *_EVERYWHERE}
    if hasattr(plain, "rope_parameters"):
        known |= {"rope_theta", "rope_scaling", "partial_rotary_factor"}  # older names, which it reads
    for name in config:
        if name not in known:
            raise ValueError(f"`extra`: a config of '{model_type}' has no '{name}'{suggest(name, known)}")
