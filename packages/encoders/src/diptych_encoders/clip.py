"""The spec of CLIP's vision transformer. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.preset_files import read_presets
from diptych_encoders.vision_transformer import VisionTransformer


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@frozen
class Clip(VisionTransformer):
    """CLIP's vision transformer (transformers CLIPVisionModel): pixels -> features of any layer.

    By default the features are the states after the last layer, before the last layer norm, as LLaVA and others use
    them; with `project` they are normalised and projected as CLIP does with its class token.
    """

    extra_tokens = 1

    activation: Literal["quick-gelu", "gelu", "gelu-tanh"] = setting(
        "activation of the MLP",
        default="quick-gelu",
        check=validators.in_(("quick-gelu", "gelu", "gelu-tanh")),
    )
    norm_eps: float = setting("epsilon of the layer norms", default=1e-5, check=validators.gt(0))
    cls: Literal["drop", "keep"] = setting(
        "the class token: dropped, or kept before the grid (which then is no grid any more)",
        default="drop",
        check=validators.in_(("drop", "keep")),
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of OpenAI's models."""
        return read_presets("clip")

    @property
    def uses_final_norm(self) -> bool:
        """Whether the features go through the last layer norm: unless given, only before a projection."""
        return self.project is not None if self.final_norm is None else self.final_norm

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
        """Shorter side to size, centre crop, OpenAI's mean and std."""
        return Preprocess(self.image_size, self.image_size, "shorter-side", "bicubic", MEAN, STD)

    def build(self) -> VisionFeatures:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.clip import build_clip

        return build_clip(self)

    def load_weights(self, module: VisionFeatures) -> None:
        """Load a CLIPVisionModel, CLIPVisionModelWithProjection or CLIPModel checkpoint; see the base class."""
        from diptych_encoders.modules.clip import load_clip

        load_clip(self, module)
