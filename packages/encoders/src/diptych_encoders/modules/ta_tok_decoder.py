"""TA-Tok's decoder: a small SigLIP 2 transformer over the grid of codes, from the transformers library."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from transformers import Siglip2VisionConfig, Siglip2VisionModel


class TaTokDecoder(nn.Module):
    """Code vectors -> features: NaFlex's transformer with patches of one code, then two maps with tanh between."""

    def __init__(self, code_width: int, width: int, *, depth: int, heads: int, mlp_width: int, table: int) -> None:
        """Make the layers.

        Args:
            code_width: of what comes in.
            width: of the transformer and the features.
            depth: layers.
            heads: attention heads.
            mlp_width: inside the MLP.
            table: side of the position table, stretched to the grid of the codes.
        """
        super().__init__()
        self.width, self.table = width, table
        self.transformer = Siglip2VisionModel(
            Siglip2VisionConfig(
                num_channels=code_width,
                patch_size=1,
                num_patches=table**2,
                hidden_size=width,
                num_hidden_layers=depth,
                num_attention_heads=heads,
                intermediate_size=mlp_width,
                vision_use_head=False,
            )
        )
        self.task_layer = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))

    def forward(self, codes: Tensor) -> Tensor:
        """Decode `[b (h w) c]` of a square grid to `[b (h w) d]`.

        Raises:
            ValueError: if the grid is not square.
        """
        model: Any = self.transformer
        side = round(codes.shape[1] ** 0.5)
        if side * side != codes.shape[1]:
            raise ValueError(f"{codes.shape[1]} codes are no square grid")
        table = rearrange(model.embeddings.position_embedding.weight, "(h w) d -> 1 d h w", h=self.table)
        exact = torch.promote_types(table.dtype, torch.float32)  # not defined for bfloat16 on a CPU
        grid = F.interpolate(table.to(exact), (side, side), mode="bilinear", align_corners=False, antialias=True)
        embeds = model.embeddings.patch_embedding(codes) + rearrange(grid, "1 d h w -> (h w) d").to(table.dtype)
        states = model.post_layernorm(model.encoder(inputs_embeds=embeds).last_hidden_state)
        return self.task_layer(states)
