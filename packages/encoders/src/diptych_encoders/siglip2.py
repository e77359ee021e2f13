"""The spec of SigLIP 2's vision transformers, of fixed and of flexible resolution. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import maybe, whole
from diptych_encoders.preset_files import read_presets
from diptych_encoders.siglip import Siglip


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures


@frozen
class Siglip2(Siglip):
    """SigLIP 2's vision transformer (transformers SiglipVisionModel, or Siglip2VisionModel for NaFlex).

    Models of fixed resolution are built as SigLIP's. NaFlex models (`flexible`) take pictures of any size and aspect:
    within a model spec all are brought to `image_size` squared; the module alone also takes a batch of other sides
    that are multiples of the patch, and `encode_many` pictures of different sizes (`flexible_preprocess` makes them).
    """

    flexible: int | None = setting(
        "NaFlex: side of the position table, which is stretched to each picture's grid; one fixed size if left out",
        default=None,
        check=maybe(whole()),
    )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of Google's models."""
        return read_presets("siglip2")

    def flexible_preprocess(self, patches: int = 256) -> Preprocess:
        """Keep the aspect: the largest size with at most so many patches, pixels to [-1, 1].

        Args:
            patches: most patches a picture may have; 256 is what the public models do unless told.
        """
        area = patches * self.patch_size**2
        side = self.image_size
        return Preprocess(side, side, "naflex", "bilinear", multiple=self.patch_size, area=(1, area))

    def preprocess(self) -> Preprocess:
        """Bring to size, pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size, self.resize, "bilinear")

    def build(self) -> VisionFeatures:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.siglip import build_siglip
        from diptych_encoders.modules.siglip2 import build_flexible

        return build_flexible(self) if self.flexible else build_siglip(self)

    def load_weights(self, module: VisionFeatures) -> None:
        """Load a checkpoint of SigLIP 2's vision model, alone or with its text model; see the base class."""
        from diptych_encoders.modules.siglip import load_siglip
        from diptych_encoders.modules.siglip2 import load_flexible

        (load_flexible if self.flexible else load_siglip)(self, module)
