"""Pictures -> tensors, as a `Preprocess` record says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from diptych.data.picture_sizes import covering_size, naflex_size, native_size
from diptych.data.sample import Picture
from diptych.errors import DataError
from diptych.spec.preprocess import Preprocess


_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_MANY = 64
"""How many times the crop a resized picture may be before only its centre is resized."""
_LEAST = 14
"""Pixels that the shorter side keeps where it is padded."""


def open_picture(path: str | Path) -> Image.Image:
    """Read an image file as RGB: EXIF rotation applied, transparency laid on white.

    Raises:
        DataError: if it is missing, not an image, truncated, or a decompression bomb.
    """
    try:
        with Image.open(path) as image:
            most = Image.MAX_IMAGE_PIXELS  # Pillow itself refuses only twice as many
            if most is not None and image.width * image.height > most:
                size = f"{image.width} x {image.height} pixels are over {most}"
                raise Image.DecompressionBombError(f"{size}; raise PIL.Image.MAX_IMAGE_PIXELS if it is no bomb")
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: is not an image that can be read (PNG, JPEG, WebP, GIF, BMP, TIFF can)") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {getattr(error, 'strerror', None) or error}") from error


def to_rgb(picture: Picture, transparency: Literal["white", "ignore"] = "white") -> Image.Image:
    """Turn any picture into an RGB Pillow image; arrays are uint8 [h w 3].

    Args:
        picture: of any mode, 16 bits a channel and palettes included.
        transparency: laid on white, or ignored, so that what lies below shows.

    Raises:
        DataError: for an array of another shape or type, an image without pixels, or what is neither.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(f"expected an array uint8 [h w 3], got {picture.dtype} {list(picture.shape)}")
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        hint = "; `diptych.data.preprocess.open_picture` reads a file" if isinstance(picture, str | Path) else ""
        raise DataError(f"expected a Pillow image or an array uint8 [h w 3], got {type(picture).__name__}{hint}")
    if 0 in picture.size:
        raise DataError(f"the picture has no pixels: {picture.size[0]} x {picture.size[1]}")
    if picture.mode.startswith(("I;16", "I")) and picture.mode != "RGB":
        wide = np.asarray(picture, dtype=np.float64)
        deep = picture.mode.startswith("I;16") or wide.max(initial=0) > 255  # mode I says nothing of its range
        top = 65535.0 if deep else 255.0
        picture = Image.fromarray((wide / top * 255).round().clip(0, 255).astype(np.uint8))
    if transparency == "white" and ("A" in picture.getbands() or "transparency" in picture.info):
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")


def to_pixels(pictures: Sequence[Picture], how: Preprocess) -> Tensor:
    """Preprocess pictures into one batch: -> float32 [b 3 height width], normalised by `how.mean` and `how.std`.

    Raises:
        DataError: for a picture that cannot be used, or pictures that `how` gives different sizes.
    """
    rows = [_fit(picture, how) for picture in pictures]
    shapes = list(dict.fromkeys(f"{row.shape[0]} x {row.shape[1]}" for row in rows))
    if len(shapes) > 1:
        sizes = ", ".join(shapes)
        raise DataError(f"'{how.resize}' gives these pictures different sizes, {sizes}; use `to_pixel_list`")
    return _normalised(np.stack(rows), how)


def to_pixel_list(pictures: Sequence[Picture], how: Preprocess) -> list[Tensor]:
    """Preprocess pictures each to a size of its own: -> float32 [3 height width] each; see `to_pixels`."""
    return [_normalised(np.stack([_fit(picture, how)]), how)[0] for picture in pictures]


def _normalised(rows: np.ndarray, how: Preprocess) -> Tensor:
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
    asked = (how.height, how.width, 3)
    if isinstance(picture, np.ndarray) and picture.shape == asked and picture.dtype == np.uint8 and _keeps(how):
        return picture
    image, method = to_rgb(picture, how.transparency), _FILTERS[how.interpolation]
    if how.resize == "shorter-side":
        size = covering_size(*image.size, (how.width, how.height), how.shorter)
        return np.asarray(_cut(image, size, how, method))
    if how.resize == "pad":
        return np.asarray(_padded(image, how, method))
    if how.resize == "stretch":
        size = (how.width, how.height)
    else:
        assert how.area is not None
        naflex = how.resize == "naflex"
        size = (
            naflex_size(*image.size, how.multiple, how.area[1])
            if naflex
            else native_size(*image.size, how.multiple, how.area)
        )
    return np.asarray(image.resize(size, method) if size != image.size else image)


def _padded(image: Image.Image, how: Preprocess, method: Image.Resampling) -> Image.Image:
    """Resize the longer side to size, neither side below 14 pixels, and lay the picture on a square of the mean.

    As JanusImageProcessor of transformers does it.
    """
    scale, least = how.height / max(image.size), min(_LEAST, how.height)
    size = (max(round(image.width * scale), least), max(round(image.height * scale), least))
    image = image.resize(size, method) if size != image.size else image
    square = Image.new("RGB", (max(size), max(size)), tuple(int(each * 255) for each in how.mean))
    square.paste(image, ((square.width - size[0]) // 2, (square.height - size[1]) // 2))
    return square


def _keeps(how: Preprocess) -> bool:
    """Say whether a picture of the size asked for stays as it is."""
    return how.resize in ("stretch", "pad") or (how.resize == "shorter-side" and how.shorter is None)


def _cut(image: Image.Image, size: tuple[int, int], how: Preprocess, method: Image.Resampling) -> Image.Image:
    """Resize to `size` (width, height), then cut height x width out of the centre.

    A very thin picture would be blown up to gigabytes first; of such a one only the part that stays is resized, from
    the pixels that it needs.
    """
    half = (lambda margin: margin // 2) if how.centre == "down" else (lambda margin: round(margin / 2))
    left, top = half(size[0] - how.width), half(size[1] - how.height)
    if size[0] * size[1] > _MANY * how.width * how.height:
        across, down = image.width / size[0], image.height / size[1]
        part = (left * across, top * down, (left + how.width) * across, (top + how.height) * down)
        return image.resize((how.width, how.height), method, box=part)
    image = image.resize(size, method) if size != image.size else image
    return image.crop((left, top, left + how.width, top + how.height))
