"""What is done to an image before a vision part sees it, as data."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen
class Preprocess:
    """To RGB, resize, centre-crop, scale to [0, 1], then `(x - mean) / std` per channel.

    `resize` is one of

    - `shorter-side`: keep the aspect, the shorter side to `shorter` (or to just cover height x width), then crop the
      centre;
    - `stretch`: to exactly height x width;
    - `pad`: keep the aspect, the longer side to size, the rest filled with what `mean` is (Janus); squares only;
    - `naflex`: keep the aspect; the largest size whose sides, rounded up to a multiple of `multiple`, have an area of
      at most `area[1]` (SigLIP 2);
    - `native`: the picture's own size, sides rounded to a multiple of `multiple`, brought to an area within `area`
      (Qwen2-VL).

    The last two give every picture a size of its own; height and width are then only what a model uses at once.
    An odd margin around the crop is halved `down` (transformers) or to the `even` number (torchvision).
    `transparency` is laid on white, or ignored as most official processors do (what lies below shows).
    """

    height: int
    width: int
    resize: Literal["shorter-side", "stretch", "pad", "naflex", "native"] = "shorter-side"
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    shorter: int | None = None
    multiple: int = 1
    area: tuple[int, int] | None = None
    centre: Literal["down", "even"] = "down"
    transparency: Literal["white", "ignore"] = "white"

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: naming what does not fit.
        """
        if min(self.height, self.width) < 1:
            raise ValueError(f"height {self.height} and width {self.width} must be at least 1")
        if self.shorter is not None and self.shorter < max(self.height, self.width):
            raise ValueError(f"shorter {self.shorter} would not cover a crop of {self.height} x {self.width}")
        if self.resize == "pad" and self.height != self.width:
            raise ValueError(f"'pad' fills up to a square, not to {self.height} x {self.width}")
        area, least = self.area or (0, 0), self.multiple**2
        if self.resize in ("naflex", "native") and not (0 < area[0] <= area[1] >= least):
            square = f"{self.multiple} x {self.multiple}"
            raise ValueError(
                f"'{self.resize}' needs an area (least, most) that a {square} square fits into: {self.area}"
            )
