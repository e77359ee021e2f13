"""Pictures on disk: PNGs that remember how they were made, and contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from diptych.checkpoint.folder import whole_file


def save_png(picture: Image.Image, path: Path, facts: Mapping[str, str], scale: int = 1) -> None:
    """Write a PNG, whole or not at all, with facts as text chunks; `scale` enlarges pixels.

    Raises:
        OutputError: if the place cannot be written to.
    """
    info = PngInfo()
    for key, value in facts.items():
        info.add_itxt(key, value)
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    with whole_file(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=info)


def contact_sheet(pictures: Sequence[Image.Image], captions: Sequence[str], columns: int) -> Image.Image:
    """Lay pictures out, one row a caption with `columns` pictures each, the caption above its row."""
    side = max(128, max(max(each.size) for each in pictures))
    gap, line = 8, 22
    columns = max(1, columns)
    width = max(columns * (side + gap) + gap, 320)
    sheet = Image.new("RGB", (width, len(captions) * (side + line + gap) + gap), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, caption in enumerate(captions):
        top = gap + row * (side + line + gap)
        draw.text((gap, top), _shorten(caption, width // 7), fill="black", font=font)
        for column, picture in enumerate(pictures[row * columns : (row + 1) * columns]):
            tile = picture.resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(tile, (gap + column * (side + gap), top + line))
    return sheet


def gallery(pictures: Sequence[Image.Image], captions: Sequence[str], columns: int = 6) -> Image.Image:
    """Lay pictures out row by row, each with its caption below."""
    side, gap, line, lines = 128, 12, 15, 3
    rows = -(-len(pictures) // columns)
    height = side + lines * line + gap
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * height + gap), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = gap + index % columns * (side + gap), gap + index // columns * height
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (left, top))
        draw.rectangle((left - 1, top - 1, left + side, top + side), outline="#dddddd")
        for row, text in enumerate(wrap(caption, 21)[:lines]):
            draw.text((left, top + side + 2 + row * line), text, fill="black", font=font)
    return sheet


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(1, length - 1)] + "…"
