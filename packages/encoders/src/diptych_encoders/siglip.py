"""The spec of SigLIP's vision transformer. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from diptych.spec.preprocess import Preprocess
from diptych_encoders.preset_files import read_presets
from diptych_encoders.vision_transformer import VisionTransformer


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures


@frozen
class Siglip(VisionTransformer):
    """SigLIP's vision transformer (transformers SiglipVisionModel): pixels -> features of any layer.

    By default the features are the states after the last layer and its layer norm; an earlier `layer` is taken as it
    is. The attention pooling at the end of the official model is left out.
    """

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of Google's models."""
        return read_presets("siglip")

    @property
    def uses_final_norm(self) -> bool:
        """Whether the features go through the last layer norm: unless given, at the last layer."""
        return self.layers_used == self.depth if self.final_norm is None else self.final_norm

    def preprocess(self) -> Preprocess:
        """Stretch to size, pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size, "stretch", "bicubic")

    def build(self) -> VisionFeatures:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.siglip import build_siglip

        return build_siglip(self)

    def load_weights(self, module: VisionFeatures) -> None:
        """Load a SiglipVisionModel or SiglipModel checkpoint; see the base class."""
        from diptych_encoders.modules.siglip import load_siglip

        load_siglip(self, module)
