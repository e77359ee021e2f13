"""Finding separate things on a white background, and naming a colour."""

from __future__ import annotations

import colorsys

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy import ndimage

from diptych_emoji.geometry import Box


INK = 235  # a pixel is part of a thing when its darkest channel is below this (0..255)
LEAST = 30  # pixels that a thing covers in a 64x64 picture, at least; less is dirt
# Where one colour's hues end and the next one's begin, in degrees.
_HUES = ((18, "red"), (66, "yellow"), (165, "green"), (248, "blue"), (330, "purple"), (360, "red"))
_GREY = 0.25  # saturation below which a pixel has no colour (0..1)
_BLACK = 0.4  # brightness below which a grey thing is black (0..1)
_BROWN = ((8, 40), 0.8)  # hues in degrees, and the brightness below which they are brown (0..1)


@frozen(eq=False)
class Blob:
    """One connected thing.

    Attributes:
        box: The pixels that it spans.
        crop: uint8 [h w 3], the box with what belongs to other things whitened.
        mask: bool [h w], where the thing is.
    """

    box: Box
    crop: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def blobs(image: NDArray[np.uint8]) -> list[Blob]:
    """Splits a picture into its connected things; a gap of three white pixels separates.

    The picture is averaged over 3x3 pixels first, so that noise on the background joins nothing
    and thin parts hold together.

    Args:
        image: uint8 [h w 3] on a white background. Sizes other than 64x64 scale the dirt limit.

    Returns:
        The things, in reading order of their first pixel.
    """
    darkest = image.min(axis=-1).astype(np.float32)
    ink = darkest < INK
    near = ndimage.uniform_filter(darkest, 3, mode="nearest") < INK
    labels, count = ndimage.label(near, np.ones((3, 3)))
    least = LEAST * ink.size / 64**2
    found = []
    for index, around in enumerate(ndimage.find_objects(labels, count), 1):
        mask = (labels[around] == index) & ink[around]
        if mask.sum() < least:
            continue
        (inner,) = ndimage.find_objects(mask.astype(np.uint8))
        mask, own = mask[inner], labels[around][inner] == index
        top, left = around[0].start + inner[0].start, around[1].start + inner[1].start
        height, width = mask.shape
        pixels = image[top : top + height, left : left + width]
        crop = np.where(own[..., None], pixels, np.uint8(255))
        found.append(Blob((left, top, left + width, top + height), crop, mask))
    return found


def colour_name(blob: Blob) -> str | None:
    """The nearest colour of `world.COLOURS`, by the median hue direction of its coloured pixels.

    Args:
        blob: A thing.

    Returns:
        A colour; black or None if most of its pixels are grey.
    """
    pixels = blob.crop[blob.mask].astype(float) / 255
    spread = pixels.max(1) - pixels.min(1)
    coloured = pixels[spread > _GREY * np.maximum(pixels.max(1), 0.2)]
    if 2 * len(coloured) < len(pixels):
        return "black" if np.median(pixels.max(1)) < _BLACK else None
    hue, _, brightness = colorsys.rgb_to_hsv(*np.median(coloured, axis=0))
    (least, most), bright = _BROWN
    if least <= 360 * hue <= most and brightness < bright:
        return "brown"
    return next(name for end, name in _HUES if 360 * hue <= end)
