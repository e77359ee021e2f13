"""The spec of `sana`: the linear-attention denoiser of SANA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, Slot, inferred, setting
from diptych_heads.networks.frame import PORTS
from diptych_heads.sizes import known


if TYPE_CHECKING:
    from diptych_heads.networks.sana import SanaNetwork

_POSITIVE = validators.ge(1)


@frozen
class Sana(PartSpec):
    """SANA's denoiser (diffusers SanaTransformer2DModel): linear self-attention, cross-attention.

    A connector may bring the condition to the width that the network was trained with; the null
    condition is then zeros before the connector, as in BLIP3o-NEXT.
    """

    kind: ClassVar[str] = "network"
    heads: int = setting("heads of the linear self-attention", default=70, check=_POSITIVE)
    head_width: int = setting("width of such a head", default=32, check=_POSITIVE)
    cross_heads: int = setting(
        "heads of the cross-attention, which share the same width", default=20, check=_POSITIVE
    )
    layers: int = setting("number of blocks", default=20, check=_POSITIVE)
    mlp_ratio: float = setting(
        "inner over outer width of the convolutional feed-forward",
        default=2.5,
        check=validators.gt(0),
    )
    patch_size: int = setting(
        "side of the squares that become one token", default=1, check=_POSITIVE
    )
    qk_norm: bool = setting(
        "RMSNorm over all heads of queries and of keys (SANA 1.5)", default=False
    )
    clock: float = setting(
        "the network's time where t = 1; times in between are t times this",
        default=1000.0,
        check=validators.gt(0),
    )
    connector: Annotated[PartSpec, Slot("connector")] | None = setting(
        "condition -> caption width; none where they are the same", default=None
    )
    weights: str | None = setting(
        "folder, hub id, or hub id/subfolder of initial weights, as diffusers writes them; the "
        "connector keeps its own",
        default=None,
    )
    caption_width: int | None = inferred("width of the tokens that the network reads")
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")
    condition_width: int | None = inferred("width of the condition")

    def __attrs_post_init__(self) -> None:
        """Refuse widths that the heads cannot share."""
        if self.hidden_width % self.cross_heads:
            raise ValueError(
                f"cross_heads {self.cross_heads} must divide heads * head_width = "
                f"{self.hidden_width}"
            )

    @property
    def hidden_width(self) -> int:
        """Width of the blocks."""
        return self.heads * self.head_width

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the public sizes, by parameters and side of the picture; `1.5` has qk-norm."""
        small = {"heads": 36, "head_width": 32, "cross_heads": 16, "layers": 28}
        large = {"heads": 70, "head_width": 32, "cross_heads": 20, "layers": 20}
        latents = {"caption_width": 2304, "channels": 32}
        return {
            "0.6b-512": {**small, **latents, "height": 16, "width": 16},
            "0.6b-1024": {**small, **latents, "height": 32, "width": 32},
            "1.6b-512": {**large, **latents, "height": 16, "width": 16},
            "1.6b-1024": {**large, **latents, "height": 32, "width": 32},
            "1.5-1.6b-1024": {**large, **latents, "height": 32, "width": 32, "qk_norm": True},
            "1.5-4.8b-1024": {
                **{**large, "layers": 60},
                **latents,
                "height": 32,
                "width": 32,
                "qk_norm": True,
            },
        }

    def ports(self) -> Ports:
        """Take the noisy target and the condition, which a connector may widen."""
        caption = Port("b q caption_width", "what the network reads")
        inside = [("caption", "condition")]
        if self.connector is not None:
            inside = [("condition", "connector.features"), ("caption", "connector.tokens")]
        return Ports(inputs=PORTS.inputs, outputs={"caption": caption}, inside=tuple(inside))

    def config(self) -> dict[str, Any]:
        """Return the fields of the diffusers config."""
        height, width = known(self, "height"), known(self, "width")
        return {
            "in_channels": known(self, "channels"),
            "out_channels": known(self, "channels"),
            "num_attention_heads": self.heads,
            "attention_head_dim": self.head_width,
            "num_layers": self.layers,
            "num_cross_attention_heads": self.cross_heads,
            "cross_attention_head_dim": self.hidden_width // self.cross_heads,
            "cross_attention_dim": self.hidden_width,
            "caption_channels": known(self, "caption_width"),
            "mlp_ratio": self.mlp_ratio,
            "sample_size": max(height, width),
            "patch_size": self.patch_size,
            "qk_norm": "rms_norm_across_heads" if self.qk_norm else None,
        }

    def build(self) -> SanaNetwork:
        """Make the network, and its connector, with fresh weights."""
        from diptych_heads.networks.sana import SanaNetwork

        connector = None if self.connector is None else self.connector.build()
        return SanaNetwork(self.config(), connector, self.clock)

    def load_weights(self, module: SanaNetwork) -> None:
        """Put the weights named by `weights` into a module that this spec built.

        Raises:
            CheckpointError: if there are none there, or they are of a network with other sizes; the
                module is left as it was.
        """
        from diptych_heads.networks.pretrained import fill_from_diffusers

        fill_from_diffusers(module.transformer, str(self.weights))
