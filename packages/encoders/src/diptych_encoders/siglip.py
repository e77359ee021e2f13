"""The spec of SigLIP's vision transformer. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen, validators

from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain
from diptych_encoders.preset_files import read_presets
from diptych_encoders.vision_transformer import VisionTransformer


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures


@frozen
class Siglip(VisionTransformer):
    """SigLIP's vision transformer (transformers SiglipVisionModel): pixels -> features of any layer.

    By default the features are the states after the last layer and its layer norm; an earlier `layer` is taken as it
    is. With `pooled` there is one feature a picture instead, which the attention pooling at the end of the official
    model makes of them (its `pooler_output`).
    """

    pooled: bool = setting(
        "one feature: all patches of the last layer, pooled by the model's own attention", default=False
    )

    resize: Literal["stretch", "shorter-side", "pad"] = setting(
        "how pictures are brought to size: stretched, as the official processor does; the shorter side to size and "
        "the centre cut out; or the longer side to size and the rest grey, as Janus does",
        default="stretch",
        check=validators.in_(("stretch", "shorter-side", "pad")),
    )

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other; see the base class."""
        problems = []
        if self.pooled and (self.pool > 1 or self.pool_to is not None):
            problems.append("'pooled' makes one feature of the whole grid; leave 'pool' and 'pool_to' out")
        if self.pooled and not (self.layers_used == self.depth and self.uses_final_norm):
            problems.append("'pooled' reads the last layer after its norm; leave 'layer' and 'final_norm' out")
        complain(problems)
        super().__attrs_post_init__()

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of Google's models."""
        return read_presets("siglip")

    @property
    def grid(self) -> int:
        """Features along a side; 1 where attention pools them."""
        return 1 if self.pooled else super().grid

    @property
    def uses_final_norm(self) -> bool:
        """Whether the features go through the last layer norm: unless given, at the last layer."""
        return self.layers_used == self.depth if self.final_norm is None else self.final_norm

    def preprocess(self) -> Preprocess:
        """Bring to size, pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size, self.resize, "bicubic")

    def build(self) -> VisionFeatures:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.siglip import build_siglip

        return build_siglip(self)

    def load_weights(self, module: VisionFeatures) -> None:
        """Load a SiglipVisionModel or SiglipModel checkpoint; see the base class."""
        from diptych_encoders.modules.siglip import load_siglip

        load_siglip(self, module)
