"""The spec of DINOv2's vision transformer. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain, maybe, whole
from diptych_encoders.preset_files import read_presets
from diptych_encoders.vision_transformer import VisionTransformer


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@frozen
class Dinov2(VisionTransformer):
    """DINOv2's vision transformer (transformers Dinov2Model): self-supervised features of any layer.

    By default the features are the patches' states after the last layer and its layer norm; an earlier `layer` is
    taken as it is. Public weights were trained at 518 pixels; with another `image_size` their position table is
    interpolated, as the official model does.
    """

    extra_tokens = 1

    activation: Literal["gelu", "swiglu"] = setting(  # type: ignore[assignment]  # other choices than its kin
        "the MLP: exact GELU, or SwiGLU two thirds as wide (giant)",
        default="gelu",
        check=validators.in_(("gelu", "swiglu")),
    )
    trained_size: int | None = setting(
        "side of the images that the position table belongs to; image_size if left out",
        default=None,
        check=maybe(whole()),
    )
    layer_scale: float = setting("what each layer's additions are scaled by before training", default=1.0)
    cls: Literal["drop", "keep"] = setting(
        "the class token: dropped, or kept before the grid (which then is no grid any more)",
        default="drop",
        check=validators.in_(("drop", "keep")),
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of Meta's models."""
        return read_presets("dinov2")

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other; see the base class."""
        super().__attrs_post_init__()
        if self.inner_width % self.hidden_width:
            near = max(round(self.inner_width / self.hidden_width), 1) * self.hidden_width
            complain([f"mlp_width {self.inner_width} is not a multiple of hidden_width; {near} is"])

    @property
    def uses_final_norm(self) -> bool:
        """Whether the features go through the last layer norm: unless given, at the last layer."""
        return self.layers_used == self.depth if self.final_norm is None else self.final_norm

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
        """Shorter side to 8/7 of the size (256 for 224), centre crop, ImageNet's mean and std."""
        shorter = self.image_size * 8 // 7
        return Preprocess(self.image_size, self.image_size, "shorter-side", "bicubic", MEAN, STD, shorter=shorter)

    def build(self) -> VisionFeatures:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.dinov2 import build_dinov2

        return build_dinov2(self)

    def load_weights(self, module: VisionFeatures) -> None:
        """Load a Dinov2Model checkpoint; see the base class."""
        from diptych_encoders.modules.dinov2 import load_dinov2

        load_dinov2(self, module)
