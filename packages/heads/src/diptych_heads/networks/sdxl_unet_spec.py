"""The spec of `sdxl-unet`: the convolutional denoiser of SDXL, conditioned on feature tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen, validators

from diptych.ports import Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_heads.networks.frame import PORTS
from diptych_heads.sizes import known


if TYPE_CHECKING:
    from diptych_heads.networks.sdxl_unet import SdxlUnetNetwork

_POSITIVE = validators.ge(1)
_SIX = 6


@frozen
class SdxlUnet(PartSpec):
    """SDXL's U-Net (diffusers UNet2DConditionModel) reading feature tokens, as in Emu2 and BLIP3-o.

    Beside cross-attention, the mean of the tokens and six sizes in pixels ("time ids") are added to
    the embedding of the time, where SDXL puts its pooled text.
    """

    kind: ClassVar[str] = "network"
    widths: tuple[int, ...] = setting(
        "channels of each level, finest first; every further one halves the side",
        default=(320, 640, 1280),
        check=validators.deep_iterable(_POSITIVE, validators.min_len(1)),
    )
    blocks: int = setting("residual blocks of each level", default=2, check=_POSITIVE)
    attention_layers: tuple[int, ...] = setting(
        "transformer layers after each residual block of a level; 0 for no attention there",
        default=(0, 2, 10),
        check=validators.deep_iterable(validators.ge(0)),
    )
    head_width: int = setting("width of an attention head", default=64, check=_POSITIVE)
    norm_groups: int = setting("groups of the group norms", default=32, check=_POSITIVE)
    size_width: int = setting(
        "width of the sinusoid of each of the six sizes", default=256, check=validators.ge(2)
    )
    sizes: tuple[int, int, int, int, int, int] = setting(
        "what the network is told of the picture, in pixels: original height and width, rows and "
        "columns cropped, height and width to draw",
        default=(1024, 1024, 0, 0, 1024, 1024),
    )
    clock: float = setting(
        "the network's time where t = 1; times in between are t times this",
        default=1000.0,
        check=validators.gt(0),
    )
    first_time: float = setting(
        "added to the network's time; -1 for one whose times are places of a table counted from 0, "
        "as SDXL's are",
        default=0.0,
    )
    weights: str | None = setting(
        "folder, hub id, or hub id/subfolder of initial weights, as diffusers writes them",
        default=None,
    )
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")
    condition_width: int | None = inferred("width of the condition")

    def __attrs_post_init__(self) -> None:
        """Refuse levels that do not pair up, and widths that heads or groups cannot share."""
        problems = []
        if len(self.attention_layers) != len(self.widths):
            problems.append(
                f"attention_layers has {len(self.attention_layers)} levels and widths "
                f"{len(self.widths)}; give one number of each for every level"
            )
        elif not any(self.attention_layers):
            problems.append("no level has attention_layers, so nothing would read the condition")
        for width, layers in zip(self.widths, self.attention_layers, strict=False):
            if width % self.norm_groups:
                problems.append(f"width {width} is no multiple of norm_groups {self.norm_groups}")
            if layers and width % self.head_width:
                problems.append(f"width {width} is no multiple of head_width {self.head_width}")
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return `sdxl`: 2.6 billion parameters, as in Emu2's and BLIP3-o's decoders."""
        sizes = {"widths": (320, 640, 1280), "blocks": 2, "attention_layers": (0, 2, 10)}
        more = {"head_width": 64, "norm_groups": 32, "channels": 4, "first_time": -1.0}
        return {"sdxl": {**sizes, **more}}

    def ports(self) -> Ports:
        """Take the noisy target and the condition."""
        return PORTS

    def config(self) -> dict[str, Any]:
        """Return the fields of the diffusers config."""
        attends = [bool(layers) for layers in self.attention_layers]
        condition_width = known(self, "condition_width")
        return {
            "in_channels": known(self, "channels"),
            "out_channels": known(self, "channels"),
            "block_out_channels": self.widths,
            "layers_per_block": self.blocks,
            "down_block_types": tuple(
                "CrossAttnDownBlock2D" if each else "DownBlock2D" for each in attends
            ),
            "up_block_types": tuple(
                "CrossAttnUpBlock2D" if each else "UpBlock2D" for each in reversed(attends)
            ),
            "transformer_layers_per_block": tuple(max(1, each) for each in self.attention_layers),
            "attention_head_dim": tuple(max(1, each // self.head_width) for each in self.widths),
            "norm_num_groups": self.norm_groups,
            "cross_attention_dim": condition_width,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": self.size_width,
            "projection_class_embeddings_input_dim": condition_width + _SIX * self.size_width,
            "use_linear_projection": True,
        }

    def build(self) -> SdxlUnetNetwork:
        """Make the network with fresh weights."""
        from diptych_heads.networks.sdxl_unet import SdxlUnetNetwork

        return SdxlUnetNetwork(self.config(), self.sizes, self.clock, self.first_time)

    def load_weights(self, module: SdxlUnetNetwork) -> None:
        """Put the weights named by `weights` into a module that this spec built.

        Raises:
            CheckpointError: if there are none there, or they are of a network with other sizes; the
                module is left as it was.
        """
        from diptych_heads.networks.pretrained import fill_from_diffusers

        fill_from_diffusers(module.model, str(self.weights))
