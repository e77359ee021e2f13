"""A vector-quantising bottleneck whose codes move together (SimVQ, arXiv 2411.02038)."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn


class SimVqBottleneck(nn.Module):
    """Features -> vectors -> codes. Codes are one linear map of a fixed random table, so that none is left behind."""

    def __init__(self, width: int, code_width: int, vocabulary: int, *, unit: bool) -> None:
        """Make the maps and the table.

        Args:
            width: of the features.
            code_width: of vectors and codes.
            vocabulary: number of codes.
            unit: codes have length 1.
        """
        super().__init__()
        self.unit = unit
        self.in_linear = nn.Linear(width, code_width)
        self.out_linear = nn.Linear(code_width, code_width)
        self.regularizer = nn.ModuleDict(
            {"embedding": nn.Embedding(vocabulary, code_width), "embedding_proj": nn.Linear(code_width, code_width)}
        )
        nn.init.normal_(self.table, std=code_width**-0.5)
        self.table.requires_grad_(False)

    def fixed_parameters(self) -> Iterator[nn.Parameter]:
        """Return what no stage trains: the table."""
        return iter([self.table])

    @property
    def table(self) -> nn.Parameter:
        """The table `[v d]` that does not train."""
        return self.regularizer.get_parameter("embedding.weight")

    def codebook(self) -> Tensor:
        """Return the code vectors `[v d]`."""
        codes = self.regularizer["embedding_proj"](self.table)
        return F.normalize(codes, dim=-1) if self.unit else codes
