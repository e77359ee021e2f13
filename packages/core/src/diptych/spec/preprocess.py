"""What is done to an image before a vision part sees it, as data."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen
class Preprocess:
    """To RGB, resize, centre-crop, scale to [0, 1], then `(x - mean) / std` per channel.

    `resize` is `shorter-side` (keep the aspect, then crop the centre) or `stretch` (to exactly height x width).
    """

    height: int
    width: int
    resize: Literal["shorter-side", "stretch"] = "shorter-side"
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
