"""SDXL's U-Net from the diffusers library, behind the contract of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from diptych_heads.networks.attention import masked_mean, usable_mask


class UnetContext(NamedTuple):
    """What one call prepares from a condition.

    Attributes:
        tokens: the condition `b q condition_width`.
        pooled: its mean `b condition_width`.
        mask: real tokens, bool `b q`, or None.
        sizes: six sizes in pixels `b 6`.
    """

    tokens: Tensor
    pooled: Tensor
    mask: Tensor | None
    sizes: Tensor


class SdxlUnetNetwork(nn.Module):
    """Predicts from a noisy target, a time and feature tokens.

    The layout of Emu2's decoder (arXiv 2312.13286), which BLIP3-o uses: the tokens go into
    cross-attention, their mean and the sizes into the time embedding (SDXL, arXiv 2307.01952, 2.2).
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        sizes: Sequence[int],
        clock: float,
        first_time: float = 0.0,
    ) -> None:
        """Make the U-Net of a diffusers config with fresh weights; see the spec for the rest."""
        super().__init__()
        self.model: Any = UNet2DConditionModel(**config)
        self.sizes, self.clock, self.first_time = tuple(sizes), clock, first_time

    def prepare(self, condition: Tensor, mask: Tensor | None = None) -> UnetContext:
        """Compute what all steps of a call share.

        Args:
            condition: `b q condition_width`.
            mask: real tokens, bool `b q`; None if all are.
        """
        mask = usable_mask(mask)
        sizes = condition.new_tensor(self.sizes).expand(len(condition), -1)
        return UnetContext(condition, masked_mean(condition, mask), mask, sizes)

    def forward(self, x: Tensor, t: Tensor, context: UnetContext) -> Tensor:
        """Predict.

        Args:
            x: noisy target `b channels h w`.
            t: times `b` in [0, 1], 1 is pure noise.
            context: what `prepare` returned.

        Returns:
            `b channels h w`.
        """
        added = {"text_embeds": context.pooled, "time_ids": context.sizes}
        return self.model(
            x,
            t * self.clock + self.first_time,
            context.tokens,
            added_cond_kwargs=added,
            encoder_attention_mask=context.mask,
            return_dict=False,
        )[0]
