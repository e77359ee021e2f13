"""Small parts of every type, as specs."""

import torch
from torch import Tensor, nn

from diptych_heads.heads.specs import FlowMatching, Regression
from diptych_heads.networks.specs import Dit, LuminaNext


GRID = {"channels": 6, "height": 2, "width": 4}
TOKENS = 8
CONDITION = 10

NETWORKS = {
    "lumina-next": LuminaNext(
        hidden_width=32, layers=2, heads=4, kv_heads=2, condition_width=CONDITION, **GRID
    ),
    "dit": Dit(hidden_width=32, layers=2, heads=4, condition_width=CONDITION, **GRID),
    "dit-learned": Dit(
        hidden_width=32, layers=1, heads=2, positions="learned", condition_width=CONDITION, **GRID
    ),
}
HEADS = {
    **{name: FlowMatching(network=network, **GRID) for name, network in NETWORKS.items()},
    "regression": Regression(hidden_width=32, heads=4, condition_width=CONDITION, **GRID),
    "regression-linear": Regression(
        readout="linear", hidden_width=32, heads=4, condition_width=CONDITION, **GRID
    ),
}


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter a random value, so that nothing is hidden behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in module.parameters():
            scale = 0.3 if each.ndim < 2 else each.shape[-1] ** -0.5
            each.add_(scale * torch.randn(each.shape, generator=generator).to(each))
    return module


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
