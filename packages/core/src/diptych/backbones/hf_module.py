"""The module of `hf-causal-lm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import Cache, DynamicCache

from diptych.backbones.hf_weights import fill_from_transformers
from diptych.backbones.lora import inject, is_adapter
from diptych.backbones.lora_spec import Lora
from diptych.backbones.positions import positions_of, visible
from diptych.backbones.roomy_cache import with_room


class HFCausalLM(nn.Module):
    """A transformers causal language model behind the backbone contract."""

    def __init__(
        self, model_type: str, config: dict[str, Any], attention: str = "sdpa", lora: Lora | None = None
    ) -> None:
        super().__init__()
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
        """Score the vocabulary: states [… d] -> [… v]."""
        return self.model.get_output_embeddings()(states)

    def new_cache(self) -> Cache:
        """Make an empty key/value cache for incremental decoding."""
        cache = DynamicCache(config=self.model.config)
        with_room(cache)
        return cache

    def load_pretrained(self, source: str, known_ids: int | None = None) -> None:
        """Copy weights from a transformers folder or hub id; see `fill_from_transformers`."""
        fill_from_transformers(self.model, source, known_ids)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Convert or move everything; rotary frequencies keep their type, as in transformers' own loading.

        Rounded to bfloat16 they would turn a word at position 1000 by radians too far.
        """
        exact = [
            (module, name, buffer)
            for module in self.modules()
            for name, buffer in module.named_buffers(recurse=False)
            if name.endswith("inv_freq") and not buffer.is_meta
        ]
        super()._apply(fn, recurse)
        for module, name, buffer in exact:
            setattr(module, name, buffer.to(getattr(module, name).device))
        return self

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
