"""The spec of EVA-CLIP's vision transformers. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain, maybe, whole
from diptych_encoders.clip import MEAN, STD
from diptych_encoders.preset_files import read_presets
from diptych_encoders.vision_transformer import VisionTransformer


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures


@frozen
class EvaClip(VisionTransformer):
    """EVA-CLIP's vision transformers (ours, after EVA-CLIP, arXiv 2303.15389): pixels -> features of any layer.

    Two families. E: post-norm blocks, exact GELU, learned positions; its states after the last block, raw and pooled
    4 x 4, are what BLIP3-o generates (arXiv 2505.09568; `preset: E-14-plus, pool: 4` gives 8 x 8 x 1792). B and L:
    pre-norm blocks with rotary positions, SwiGLU and norms inside attention and MLP.
    """

    extra_tokens = 1

    activation: Literal["gelu", "swiglu"] = setting(  # type: ignore[assignment]  # other choices than its kin
        "the MLP: exact GELU, or SiLU of one map times another",
        default="gelu",
        check=validators.in_(("gelu", "swiglu")),
    )
    post_norm: bool = setting("norm what a block adds (E) instead of what it sees (B, L)", default=True)
    sub_norm: bool = setting("one more norm inside attention and MLP, before their last maps (B, L)", default=False)
    rotary: int | None = setting(
        "rotary positions beside the learned ones: the grid that angles refer to (16 for B, L); none if left out",
        default=None,
        check=maybe(whole()),
    )
    cls: Literal["drop", "keep"] = setting(
        "the class token: dropped, or kept before the grid (which then is no grid any more)",
        default="drop",
        check=validators.in_(("drop", "keep")),
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of Emu2's and BLIP3-o's tower (E-14-plus) and of the public EVA02-CLIP models."""
        return read_presets("eva_clip")

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other; see the base class."""
        if self.rotary and self.hidden_width % self.heads == 0 and self.hidden_width // self.heads % 4:
            width = self.hidden_width // self.heads
            complain([f"rotary positions need heads whose width is a multiple of 4, not {width}"])
        super().__attrs_post_init__()

    @property
    def tokens(self) -> int:
        """Number of features, with the class token if it is kept."""
        return self.grid**2 + (self.cls == "keep")

    def ports(self) -> Ports:
        """Say what flows in and out; with the class token kept, the features are not a grid."""
        if self.cls == "drop":
            return super().ports()
        kept = Port("b tokens width", "the class token, then a row-major grid")
        return Ports(inputs=super().ports().inputs, outputs={"features": kept})

    def preprocess(self) -> Preprocess:
        """Shorter side to size, centre crop as BLIP3-o does, OpenAI's mean and std."""
        return Preprocess(self.image_size, self.image_size, "shorter-side", "bicubic", MEAN, STD, centre="even")

    def build(self) -> VisionFeatures:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.eva_clip import build_eva_clip

        return build_eva_clip(self)

    def load_weights(self, module: VisionFeatures) -> None:
        """Load a tower in Emu2's, EVA-CLIP's or timm's layout, alone or inside a larger model; see the base class.

        `weights` is a file, a folder, a hub id, or a file of the hub (`owner/name/file.pt`).
        """
        from diptych_encoders.modules.eva_clip import load_eva_clip

        load_eva_clip(self, module)
