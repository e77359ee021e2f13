"""`conv-patches`, the module: plain PyTorch that knows nothing of specs, devices or training."""

from __future__ import annotations

from torch import Tensor, nn


class ConvPatchesEncoder(nn.Module):
    """Convolutions instead of one patch projection make transformers see better (arXiv 2106.14881)."""

    def __init__(self, patch_size: int, hidden: int, width: int) -> None:
        """Make the stem; `patch_size` is even."""
        super().__init__()
        self.windows = nn.Conv2d(3, hidden, kernel_size=3, stride=2, padding=1)
        self.patches = nn.Conv2d(hidden, width, kernel_size=patch_size // 2, stride=patch_size // 2)
        self.norm = nn.LayerNorm(width)  # features of unit scale are good targets

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode pixels `b 3 (h patch) (w patch)` -> features `b (h w) width`."""
        grid = self.patches(nn.functional.gelu(self.windows(pixels)))
        return self.norm(grid.flatten(2).transpose(1, 2))
