"""Pictures -> tensors, as a `Preprocess` record says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from diptych.data.sample import Picture
from diptych.errors import DataError
from diptych.spec.preprocess import Preprocess


_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def open_picture(path: str | Path) -> Image.Image:
    """Read an image file as RGB: EXIF rotation applied, transparency laid on white.

    Raises:
        DataError: if it is missing, not an image, truncated, or a decompression bomb.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: is not an image that can be read (PNG, JPEG, WebP, GIF, BMP, TIFF can)") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {error}") from error


def to_rgb(picture: Picture) -> Image.Image:
    """Turn any picture into an RGB Pillow image; arrays are uint8 [h w 3], transparency is laid on white.

    Raises:
        DataError: for an array of another shape or type, or an image without pixels.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(f"expected an array uint8 [h w 3], got {picture.dtype} {list(picture.shape)}")
        picture = Image.fromarray(picture)
    if 0 in picture.size:
        raise DataError(f"the picture has no pixels: {picture.size[0]} x {picture.size[1]}")
    if picture.mode.startswith(("I;16", "I")) and picture.mode != "RGB":
        wide = np.asarray(picture, dtype=np.float64)
        deep = picture.mode.startswith("I;16") or wide.max(initial=0) > 255  # mode I says nothing of its range
        top = 65535.0 if deep else 255.0
        picture = Image.fromarray((wide / top * 255).round().clip(0, 255).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")


def to_pixels(pictures: Sequence[Picture], how: Preprocess) -> Tensor:
    """Preprocess pictures into one batch: -> float32 [b 3 height width], normalised by `how.mean` and `how.std`."""
    rows = np.stack([_fit(picture, how) for picture in pictures])
    pixels = torch.from_numpy(rows).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (how.mean, how.std))
    return (pixels - mean) / std


def signed_pixels(pictures: Sequence[Picture], size: tuple[int, int]) -> Tensor:
    """Bring pictures to a size for a decoder to learn: -> float32 [b 3 h w] in [-1, 1]."""
    return to_pixels(pictures, Preprocess(height=size[0], width=size[1]))


def to_pictures(pixels: Tensor) -> list[Image.Image]:
    """Turn a decoder's output [b 3 h w] in [-1, 1] into images; values outside are clipped."""
    rows = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(row) for row in rows]


def _fit(picture: Picture, how: Preprocess) -> np.ndarray:
    """Resize and crop one picture: -> uint8 [height width 3]."""
    if isinstance(picture, np.ndarray) and picture.shape == (how.height, how.width, 3) and picture.dtype == np.uint8:
        return picture
    image = to_rgb(picture)
    if how.resize == "stretch":
        return np.asarray(image.resize((how.width, how.height), _FILTERS[how.interpolation]))
    scale = max(how.width / image.width, how.height / image.height)
    size = (max(how.width, int(image.width * scale)), max(how.height, int(image.height * scale)))
    image = image.resize(size, _FILTERS[how.interpolation]) if size != image.size else image
    left, top = (image.width - how.width) // 2, (image.height - how.height) // 2
    return np.asarray(image.crop((left, top, left + how.width, top + how.height)))
