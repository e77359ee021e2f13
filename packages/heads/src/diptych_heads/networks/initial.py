"""Fresh weights as diffusion transformers start with them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from diptych_heads.networks.two_layers import TwoLayers


def initialise(network: nn.Module, *, time: TwoLayers, zeroed: Iterable[nn.Linear]) -> None:
    """Set all linear maps of a network: Xavier, but normal for the time and zero where blocks end.

    With `zeroed` maps at the modulations and the output, blocks start as the identity and the
    prediction at zero (adaLN-zero, Peebles & Xie, arXiv 2212.09748; Lumina does the same).
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for linear in (time.linear_1, time.linear_2):
        nn.init.normal_(linear.weight, std=0.02)
    for linear in zeroed:
        nn.init.zeros_(linear.weight)
