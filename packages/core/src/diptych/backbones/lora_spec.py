"""Low-rank adapters as data."""

from __future__ import annotations

from attrs import frozen, validators

from diptych.spec.part import setting


@frozen
class Lora:
    """Low-rank adapters (LoRA, arXiv 2106.09685) on the language model's linear layers; what is under them is fixed.

    Only attention and MLP of the decoder's layers get any: no output matrix, no tower, no head. There is no dropout:
    it would draw from the global random state.
    """

    rank: int = setting("rank of the adapters", default=16, check=validators.ge(1))
    alpha: float = setting("adapters count alpha / rank", default=32.0, check=validators.gt(0))
    on: tuple[str, ...] = setting(
        "names of the linear layers that get one, such as q_proj; all of attention and MLP unless given", default=()
    )
