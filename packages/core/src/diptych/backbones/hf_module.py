"""The module of `hf-causal-lm`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import Cache, DynamicCache

from diptych.backbones.positions import positions_of, visible
from diptych.errors import CheckpointError


class HFCausalLM(nn.Module):
    """A transformers causal language model behind the backbone contract."""

    def __init__(self, model_type: str, config: dict[str, Any], attention: str = "sdpa") -> None:
        super().__init__()
        made = AutoConfig.for_model(model_type, **config)
        self.model = AutoModelForCausalLM.from_config(made, attn_implementation=attention)

    def embed(self, ids: Tensor) -> Tensor:
        """Look up embeddings: ids [b s] -> [b s d]."""
        return self.model.get_input_embeddings()(ids)

    def forward(self, embeds: Tensor, mask: Tensor, cache: Cache | None = None) -> Tensor:
        """Run the decoder.

        embeds [b s d], mask [b past+s] (True = real; padding on the left) -> final-normed states [b s d]

        With a cache, `embeds` are the new positions only and the cache grows.
        """
        length = embeds.shape[1]
        hidden = ~visible(mask, length)
        additive = torch.zeros(hidden.shape, dtype=embeds.dtype, device=embeds.device)
        out = self.model.base_model(
            inputs_embeds=embeds,
            attention_mask=additive.masked_fill(hidden, torch.finfo(embeds.dtype).min),
            position_ids=positions_of(mask, length),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out.last_hidden_state

    def logits(self, states: Tensor) -> Tensor:
        """Score the vocabulary: states [… d] -> [… v]."""
        return self.model.get_output_embeddings()(states)

    def new_cache(self) -> Cache:
        """Make an empty key/value cache for incremental decoding."""
        return DynamicCache(config=self.model.config)

    def load_pretrained(self, source: str) -> None:
        """Copy weights from a transformers folder or hub id; extra vocabulary rows are left as they are.

        Raises:
            CheckpointError: if shapes do not fit, all of them listed.
        """
        loaded = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).state_dict()
        own, table = self.model.state_dict(), self.model.get_input_embeddings().weight.shape[0]
        wrong = []
        for key, value in own.items():
            given = loaded.get(key)
            rows = min(given.shape[0], table) if given is not None and value.shape[:1] == (table,) else None
            if given is None or (rows is None and given.shape != value.shape) or given.shape[1:] != value.shape[1:]:
                wrong.append(f"{key}: {None if given is None else tuple(given.shape)} for {tuple(value.shape)}")
            else:
                value[:rows].copy_(given[:rows])
        if wrong:
            raise CheckpointError(f"{source} does not fit the spec: {'; '.join(wrong)}")
