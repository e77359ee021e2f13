"""The vendored sprites: three drawing styles, one lossless 64 px sheet each, and their names."""

from __future__ import annotations

import difflib
import gzip
import io
import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image


STYLES = ("fluent", "noto", "noto-v1")
# Red, green and blue (0..255) of a tinted sprite where it is as bright as half of it is.
TINTS = {
    "red": (222, 51, 56),
    "yellow": (253, 216, 53),
    "green": (76, 175, 80),
    "blue": (41, 121, 214),
    "purple": (149, 65, 186),
    "brown": (121, 85, 72),
    "black": (56, 56, 56),
}
WHITE = 245  # a pixel belongs to a sprite when its darkest channel is below this (0..255)


@frozen
class Concept:
    """One drawn thing.

    Attributes:
        code: Unicode codepoints in hex, joined by `-`, without variation selectors.
        name: English name, for instance "light bulb".
        tags: Related words.
        group: animals, food, travel, activities, objects or coloured shapes.
        styles: The styles that draw it.
        tinted: The styles whose glyph is another colour of the same shape, tinted by us.
    """

    code: str
    name: str
    tags: tuple[str, ...]
    group: str
    styles: tuple[str, ...]
    tinted: tuple[str, ...] = ()


@cache
def table() -> dict[str, Any]:
    """The metadata as vendored: size, columns, sources, concepts (in cell order)."""
    packed = (resources.files("diptych_emoji") / "data" / "sprites.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed))


@cache
def concepts() -> dict[str, Concept]:
    """All vendored concepts by codepoint, in cell order."""
    found = {}
    for row in table()["concepts"]:
        lists = {key: tuple(row.get(key, ())) for key in ("tags", "styles", "tinted")}
        found[row["code"]] = Concept(row["code"], row["name"], group=row["group"], **lists)
    return found


@cache
def sheet(style: str) -> Image.Image:
    """Reads one style's sheet of 64 px cells.

    Args:
        style: One of `STYLES`.

    Returns:
        An RGBA picture.

    Raises:
        ValueError: There is no such style.
    """
    if style not in STYLES:
        near = difflib.get_close_matches(style, STYLES, 1, 0) or STYLES[:1]
        raise ValueError(f"no drawing style {style!r}; did you mean {near[0]!r}? One of {STYLES}.")
    data = (resources.files("diptych_emoji") / "data" / f"sprites-{style}.webp").read_bytes()
    return Image.open(io.BytesIO(data)).convert("RGBA")


@cache
def cells() -> dict[str, int]:
    """The cell number of each codepoint, the same in all sheets."""
    return {code: index for index, code in enumerate(concepts())}


def glyph(style: str, code: str) -> Image.Image:
    """One 64 px RGBA sprite as vendored, straight alpha.

    Args:
        style: One of `STYLES`.
        code: Codepoint, a key of `concepts()`.

    Returns:
        An RGBA picture of 64x64 pixels.

    Raises:
        ValueError: No such concept, or this style does not draw it.
    """
    picture = sheet(style)
    if code not in concepts():
        near = difflib.get_close_matches(code, concepts(), 1, 0)
        raise ValueError(f"no sprite {code!r}; the nearest codepoint is {near[0]!r}.")
    if style not in concepts()[code].styles:
        concept = concepts()[code]
        raise ValueError(f"{style} does not draw {concept.name!r}; {concept.styles} do.")
    size = table()["size"]
    y, x = divmod(cells()[code], table()["columns"])
    return picture.crop((x * size, y * size, (x + 1) * size, (y + 1) * size))


def tint(drawn: Image.Image, colour: str) -> Image.Image:
    """Recolours a sprite: one hue, its own light and shade, the same outline.

    Args:
        drawn: An RGBA picture.
        colour: A key of `TINTS`.

    Returns:
        An RGBA picture of the same size.
    """
    pixels = np.array(drawn)
    grey = pixels[..., :3] @ np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
    shade = np.clip(grey / np.median(grey[pixels[..., 3] > 128]), 0.5, 1.4)[..., None]
    pixels[..., :3] = np.clip(np.array(TINTS[colour]) * shade, 0, 255)
    return Image.fromarray(pixels)


@cache
def sprite(style: str, code: str, size: int, colour: str | None = None) -> NDArray[np.uint8]:
    """One sprite on white, resized and trimmed to what can be seen. Do not write into it.

    Args:
        style: One of `STYLES`.
        code: Codepoint, a key of `concepts()`.
        size: Long side asked for, in pixels; trimming may take one off.
        colour: A key of `TINTS` to draw it in; None leaves it as it is.

    Returns:
        uint8 [h w 3], at most `size` high and wide, with no blank border.
    """
    drawn = glyph(style, code) if colour is None else tint(glyph(style, code), colour)
    drawn = drawn.crop(drawn.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox())
    scale = size / max(drawn.size)
    width, height = (max(1, round(side * scale)) for side in drawn.size)
    drawn = drawn.resize((width, height), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", drawn.size, "white")
    pixels = np.array(Image.alpha_composite(white, drawn).convert("RGB"))
    seen = pixels.min(axis=-1) < WHITE
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    pixels = np.ascontiguousarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    pixels.flags.writeable = False
    return pixels
