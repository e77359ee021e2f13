"""SANA's transformer from the diffusers library, behind the contract of networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from diffusers import SanaTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from diptych.precision import at_least_float32, without_autocast
from diptych_heads.networks.attention import usable_mask


_HIDDEN = -10000.0
"""What SANA adds to attention scores of padding."""


class SanaContext(NamedTuple):
    """What one call prepares from a condition.

    Attributes:
        caption: the projected condition `b q hidden_width`.
        bias: what is added to attention scores `b 1 q`: 0 for real tokens; None if all are.
    """

    caption: Tensor
    bias: Tensor | None


class SanaNetwork(nn.Module):
    """Predicts from a noisy target, a time and a condition.

    SANA, arXiv 2410.10629; with qk-norm SANA 1.5, arXiv 2501.18427. Equal to the official class,
    whose submodules it calls in its order; the condition is projected once a call.
    """

    def __init__(
        self, config: Mapping[str, Any], connector: nn.Module | None, clock: float
    ) -> None:
        """Make the transformer of a diffusers config with fresh weights.

        Args:
            config: its fields.
            connector: condition -> caption width; None where they are the same.
            clock: the transformer's time where t = 1.
        """
        super().__init__()
        transformer: Any = SanaTransformer2DModel(**config)
        for block in transformer.transformer_blocks:
            block.attn1.set_processor(LinearAttention())
        self.transformer: Any = transformer
        self.connector = connector
        self.clock = clock

    def prepare(self, condition: Tensor, mask: Tensor | None = None) -> SanaContext:
        """Compute what all steps of a call share.

        Args:
            condition: `b q condition_width`.
            mask: real tokens, bool `b q`; None if all are.
        """
        mask, model = usable_mask(mask), self.transformer
        caption = condition if self.connector is None else self.connector(condition)
        caption = model.caption_norm(model.caption_projection(caption))
        bias = None if mask is None else (~mask[:, None]).to(caption.dtype) * _HIDDEN
        return SanaContext(caption, bias)

    def forward(self, x: Tensor, t: Tensor, context: SanaContext) -> Tensor:
        """Predict.

        Args:
            x: noisy target `b channels h w`; any h and w that patches divide.
            t: times `b` in [0, 1], 1 is pure noise.
            context: what `prepare` returned.

        Returns:
            `b channels h w`.
        """
        model = self.transformer
        size = model.config.patch_size
        rows, columns = x.shape[2] // size, x.shape[3] // size
        tokens = model.patch_embed(x)
        modulation, time = model.time_embed(
            t * self.clock, batch_size=len(x), hidden_dtype=tokens.dtype
        )
        for block in model.transformer_blocks:
            tokens = block(tokens, None, context.caption, context.bias, modulation, rows, columns)
        tokens = model.proj_out(model.norm_out(tokens, time, model.scale_shift_table))
        patches = tokens.reshape(len(x), rows, columns, size, size, -1)
        return patches.permute(0, 5, 1, 3, 2, 4).reshape(len(x), -1, rows * size, columns * size)


class LinearAttention:
    """ReLU linear attention (SANA, section 3.2) for diffusers' attention modules.

    As diffusers' own processor, but sums in float32 or higher, also where that one rounds float64
    down and where a trainer's autocast would round the sums to bfloat16.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Mix `b n d -> b n d`; the last two arguments are None in self-attention."""
        q, k, v = (each(hidden_states) for each in (attn.to_q, attn.to_k, attn.to_v))
        if attn.norm_q is not None:
            q, k = attn.norm_q(q), attn.norm_k(k)
        q, k, v = (
            at_least_float32(each).transpose(1, 2).unflatten(1, (attn.heads, -1))
            for each in (q, k, v)
        )
        q, k = functional.relu(q), functional.relu(k).transpose(2, 3)
        v = functional.pad(v, (0, 0, 0, 1), value=1.0)  # the last row sums the weights
        with without_autocast(q):
            mixed = torch.matmul(torch.matmul(v, k), q)
        mixed = mixed[:, :, :-1] / (mixed[:, :, -1:] + 1e-15)
        out = mixed.flatten(1, 2).transpose(1, 2).to(hidden_states.dtype)
        out = attn.to_out[1](attn.to_out[0](out))
        return out.clip(-65504, 65504) if out.dtype == torch.float16 else out
