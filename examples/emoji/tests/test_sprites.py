from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from diptych_emoji import sprites
from diptych_emoji.blobs import blobs, colour_name
from diptych_emoji.world import HELD_OUT_STYLE, THINGS, TINTED, TRAIN_STYLES


DATA = resources.files("diptych_emoji") / "data"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("licences/MIT-fluentui-emoji.txt", "Microsoft Corporation"),
        ("licences/Apache-2.0.txt", "Apache License"),
        ("licences/MIT-emojibase-data.txt", "Miles Johnson"),
        ("NOTICE", "tinted"),
    ],
)
def test_licences_travel_with_the_sheets(name: str, words: str) -> None:
    assert words in (DATA / name).read_text("utf-8")


def test_notice_names_every_source() -> None:
    notice = (DATA / "NOTICE").read_text("utf-8")
    for source in sprites.table()["sources"].values():
        assert f"{source['package']} {source['version']}" in notice
        assert len(source["sha256"]) == 64


def test_data_stays_small() -> None:
    files = [DATA / f"sprites-{style}.webp" for style in sprites.STYLES]
    assert sum(len(file.read_bytes()) for file in files) < 4_500_000


@pytest.mark.parametrize("style", sprites.STYLES)
def test_every_thing_is_drawn_in_every_style(style: str) -> None:
    for thing in THINGS:
        assert style in sprites.concepts()[thing.code].styles
        pixels = sprites.sprite(style, thing.code, 26)
        assert pixels.dtype == np.uint8
        assert 24 <= max(pixels.shape[:2]) <= 26
        for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
            assert edge.min() < sprites.WHITE


@pytest.mark.parametrize("style", TRAIN_STYLES)
def test_tinting_keeps_the_outline_and_gives_the_colour(style: str) -> None:
    for thing in TINTED:
        drawn = sprites.glyph(style, thing.code)
        tinted = sprites.tint(drawn, thing.colour)
        assert drawn.getchannel("A").tobytes() == tinted.getchannel("A").tobytes()
        pixels = sprites.sprite(style, thing.code, 28, thing.colour)
        found = blobs(np.pad(pixels, ((9, 9), (9, 9), (0, 0)), constant_values=255))
        assert colour_name(found[0]) == thing.colour, thing.label


def test_only_the_held_out_style_has_tinted_glyphs() -> None:
    tinted = {c.name: c.tinted for c in sprites.concepts().values() if c.tinted}
    assert set(tinted.values()) == {(HELD_OUT_STYLE,)}
    assert len(tinted) == 11
    assert "red circle" not in tinted


def test_concepts_have_names_tags_and_cells() -> None:
    concepts = sprites.concepts()
    assert len(concepts) > 800
    assert all(concept.name and concept.group for concept in concepts.values())
    assert "fruit" in concepts["1F34C"].tags
    assert sprites.glyph("noto", "1F34C").size == (64, 64)


def test_errors_name_the_nearest_choice() -> None:
    with pytest.raises(ValueError, match="did you mean 'fluent'"):
        sprites.sheet("fluant")
    with pytest.raises(ValueError, match="nearest codepoint"):
        sprites.glyph("noto", "1F34Q")
    lacking = next(c for c in sprites.concepts().values() if "noto-v1" not in c.styles)
    with pytest.raises(ValueError, match="noto-v1 does not draw"):
        sprites.glyph("noto-v1", lacking.code)
