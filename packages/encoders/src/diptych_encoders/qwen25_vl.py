"""The spec of Qwen2.5-VL's vision tower, on its own. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain, each, whole
from diptych_encoders.clip import MEAN, STD
from diptych_encoders.preset_files import read_presets


if TYPE_CHECKING:
    from diptych_encoders.modules.qwen25_vl import QwenVision


@frozen
class Qwen25Vl(PartSpec):
    """Qwen2.5-VL's vision tower (transformers Qwen2_5_VisionTransformerPretrainedModel), arXiv 2502.13923.

    Windowed attention, 2-D rotary positions, squares of merge x merge patches become one feature. Within a model spec
    all pictures are brought to `image_size` squared; the module alone takes any sides that are multiples of
    patch_size x merge, and `encode_many` pictures of different sizes (`native_preprocess` makes them).
    """

    kind: ClassVar[str] = "encoder"

    hidden_width: int = setting("width inside the transformer", check=whole())
    depth: int = setting("transformer layers", check=whole())
    heads: int = setting("attention heads", check=whole())
    mlp_width: int = setting("width inside the MLP", check=whole())
    image_size: int = setting("side of the square image, in pixels", check=whole())
    width: int = setting("width of a feature: that of the language model", check=whole())
    patch_size: int = setting("side of a patch, in pixels", default=14, check=whole())
    merge: int = setting("patches along the side of the square that becomes one feature", default=2, check=whole())
    window: int = setting("side of an attention window, in pixels", default=112, check=whole())
    whole_layers: tuple[int, ...] = setting(
        "layers, from 0, that attend to the whole picture", default=(7, 15, 23, 31), check=each(validators.ge(0))
    )
    weights: str | None = setting("folder or hub id of initial weights", default=None)

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of Alibaba's models."""
        return read_presets("qwen25_vl")

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: naming everything that does not fit, and the nearest value that would.
        """
        problems = []
        if self.hidden_width % (4 * self.heads):
            problems.append(f"hidden_width {self.hidden_width} is not a multiple of 4 x heads, {4 * self.heads}")
        if self.image_size % self.cell:
            near = max(round(self.image_size / self.cell), 1) * self.cell
            problems.append(f"image_size {self.image_size} is not a multiple of {self.cell} (patch x merge); {near} is")
        if self.window < self.cell:
            problems.append(f"window {self.window} is smaller than {self.cell} pixels, the side of a feature")
        beyond = [layer for layer in self.whole_layers if layer >= self.depth]
        if beyond:
            named = ", ".join(map(str, beyond))
            problems.append(f"whole_layers has {named}, but the layers of depth {self.depth} are 0 to {self.depth - 1}")
        complain(problems)

    @property
    def cell(self) -> int:
        """Pixels along the side of one feature."""
        return self.patch_size * self.merge

    @property
    def grid(self) -> int:
        """Features along a side."""
        return self.image_size // self.cell

    def ports(self) -> Ports:
        """Say what flows in and out."""
        return Ports(
            inputs={"image": Port("b 3 image_size image_size", "pixels after `preprocess`")},
            outputs={"features": Port("b (grid grid) width", "row-major grid")},
        )

    def preprocess(self) -> Preprocess:
        """Stretch to size, OpenAI's mean and std."""
        return Preprocess(self.image_size, self.image_size, "stretch", "bicubic", MEAN, STD)

    def native_preprocess(self, least: int = 3136, most: int = 12_845_056) -> Preprocess:
        """Keep the picture's own size, rounded to whole features, within so many pixels."""
        side = self.image_size
        return Preprocess(side, side, "native", "bicubic", MEAN, STD, multiple=self.cell, area=(least, most))

    def build(self) -> QwenVision:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.qwen25_vl import build_qwen

        return build_qwen(self)

    def load_weights(self, module: QwenVision) -> None:
        """Load the tower, alone or out of a whole Qwen2.5-VL or BLIP3-o.

        Raises:
            CheckpointError: if there is none there, or it is of other sizes; the module is left as it was.
        """
        from diptych_encoders.modules.qwen25_vl import load_qwen

        load_qwen(self, module)
