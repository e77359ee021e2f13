"""The specs of the networks: `lumina-next` and `dit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import frozen, validators

from diptych.ports import Ports
from diptych.spec.part import PartSpec, deviation, inferred, setting
from diptych_heads.networks.frame import PORTS, Frame


if TYPE_CHECKING:
    from torch import nn

_POSITIVE = validators.ge(1)


@frozen
class LuminaNext(PartSpec):
    """The denoiser of BLIP3-o: Lumina-Next blocks, 2-D RoPE, parallel self- and cross-attention."""

    kind: ClassVar[str] = "network"
    hidden_width: int = setting("width of the blocks", default=1792, check=_POSITIVE)
    layers: int = setting("number of blocks", default=24, check=_POSITIVE)
    heads: int = setting("query heads", default=28, check=_POSITIVE)
    kv_heads: int | None = setting(
        "key and value heads; as many as `heads` unless given",
        default=None,
        check=validators.optional(_POSITIVE),
    )
    patch_size: int = setting(
        "side of the squares that become one token", default=1, check=_POSITIVE
    )
    ffn_width: int | None = setting(
        "inner width of the feed-forward; 8/3 of hidden_width times ffn_multiplier, rounded up to "
        "ffn_multiple_of, unless given",
        default=None,
        check=validators.optional(_POSITIVE),
    )
    ffn_multiplier: float = setting("factor on the 8/3 rule", default=1.0, check=validators.gt(0))
    ffn_multiple_of: int = setting("rounding of the 8/3 rule", default=256, check=_POSITIVE)
    qk_norm: bool = setting("LayerNorm over all heads of queries and of keys", default=True)
    norm_eps: float = setting("epsilon of the RMSNorms", default=1e-5, check=validators.gt(0))
    whole_times: bool | None = deviation(
        "the time is cut to whole thousandths, as BLIP3-o hands its network integers: what it is "
        "told when sampling is then not where the sampler is"
    )
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")
    condition_width: int | None = inferred("width of the condition")

    def __attrs_post_init__(self) -> None:
        """Refuse widths that the heads cannot share."""
        if self.hidden_width % (4 * self.heads):
            raise ValueError(
                f"hidden_width {self.hidden_width} must be a multiple of 4 * heads = "
                f"{4 * self.heads}: 2-D RoPE turns pairs of channels on each of two axes"
            )
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(f"kv_heads {self.kv_heads} must divide heads {self.heads}")

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return `blip3o`: the sizes of the released 4B and 8B models (their FFN is 4864 wide)."""
        sizes = {
            "hidden_width": 1792,
            "layers": 24,
            "heads": 28,
            "patch_size": 1,
            "ffn_width": 4864,
        }
        return {"blip3o": {**sizes, "channels": 1792, "height": 8, "width": 8}}

    @property
    def inner_width(self) -> int:
        """Width inside the feed-forward."""
        if self.ffn_width is not None:
            return self.ffn_width
        wanted = int(self.ffn_multiplier * int(8 * self.hidden_width / 3))
        return -(-wanted // self.ffn_multiple_of) * self.ffn_multiple_of

    def ports(self) -> Ports:
        """Take the noisy target and the condition."""
        return PORTS

    def build(self) -> nn.Module:
        """Make the network with fresh weights."""
        from diptych_heads.networks.lumina_next import LuminaNextNetwork

        return LuminaNextNetwork(
            Frame.of(self),
            hidden_width=self.hidden_width,
            layers=self.layers,
            heads=self.heads,
            kv_heads=self.kv_heads or self.heads,
            ffn_width=self.inner_width,
            qk_norm=self.qk_norm,
            norm_eps=self.norm_eps,
            whole_times=bool(self.whole_times),
        )


@frozen
class Dit(PartSpec):
    """A plain diffusion transformer: adaLN-zero, self-attention, cross-attention."""

    kind: ClassVar[str] = "network"
    hidden_width: int = setting("width of the blocks", default=384, check=_POSITIVE)
    layers: int = setting("number of blocks", default=8, check=_POSITIVE)
    heads: int = setting("attention heads", default=6, check=_POSITIVE)
    mlp_ratio: float = setting(
        "inner over outer width of the MLPs", default=4.0, check=validators.gt(0)
    )
    patch_size: int = setting(
        "side of the squares that become one token", default=1, check=_POSITIVE
    )
    positions: Literal["sin-cos", "learned"] = setting(
        "fixed sine-cosine positions, or learned ones that start from them", default="sin-cos"
    )
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")
    condition_width: int | None = inferred("width of the condition")

    def __attrs_post_init__(self) -> None:
        """Refuse widths that heads and positions cannot share."""
        if self.hidden_width % self.heads or self.hidden_width % 4:
            raise ValueError(
                f"hidden_width {self.hidden_width} must be a multiple of heads {self.heads} "
                "(equal heads) and of 4 (sine and cosine on two axes)"
            )

    def ports(self) -> Ports:
        """Take the noisy target and the condition."""
        return PORTS

    def build(self) -> nn.Module:
        """Make the network with fresh weights."""
        from diptych_heads.networks.dit import DitNetwork

        return DitNetwork(
            Frame.of(self),
            hidden_width=self.hidden_width,
            layers=self.layers,
            heads=self.heads,
            mlp_width=round(self.hidden_width * self.mlp_ratio),
            learned_positions=self.positions == "learned",
        )
