from __future__ import annotations

import numpy as np
import pytest
import torch

from diptych_emoji.blobs import blobs, colour_name
from diptych_emoji.judge import Detection, ceiling, decide, detect, floor, judge, real, styles_for
from diptych_emoji.prompts import prompts
from diptych_emoji.sprites import STYLES, sprite
from diptych_emoji.world import COLOURED_SHAPES


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def entry(noun: str, count: int = 1, **more: object) -> dict:
    return {"class": noun, "count": count, **more}


def at(noun: str, x: int, y: int, color: str | None = None) -> Detection:
    return Detection(noun, color, (x, y, x + 20, y + 20), 0.9)


def decided(found: list[Detection], *include: dict, exclude: tuple = ()) -> str:
    return decide(found, {"include": list(include), "exclude": list(exclude)}).reason


def test_prototypes_never_share_the_style_of_the_pictures() -> None:
    for style in STYLES:
        assert style not in styles_for(style)
    assert styles_for("noto") == ("noto-v1",)


@pytest.mark.parametrize("style", ["fluent", "noto-v1"])
def test_ceiling_on_real_pictures(style: str) -> None:
    shares = ceiling(prompts("seen", 4, seed=1), style)
    assert shares["overall"] >= 0.9, shares


def test_floor_on_shuffled_pictures() -> None:
    records = prompts("seen", 4, seed=2)
    assert floor(real(records, "noto"), records)["overall"] <= 0.15


def test_blank_pictures_show_nothing() -> None:
    blank = np.full((2, 64, 64, 3), 255, np.uint8)
    assert detect(blank) == [[], []]
    assert detect([]) == []
    verdict = judge(blank[:1], prompts("seen", 1)[:1])[0]
    assert not verdict.correct
    assert "found 0" in verdict.reason


def test_extras_are_forgiven_unless_excluded() -> None:
    found = [at("key", 0, 0), at("key", 40, 0), at("star", 0, 40)]
    assert decided(found, entry("key")) == ""
    assert decided(found, entry("key", 2), exclude=(entry("key", 3),)) == ""
    assert "fewer than 2" in decided(found, entry("key"), exclude=(entry("key", 2),))
    assert decided(found, entry("key", 3)) == "expected 3 key, found 2"


def test_colour_belongs_to_its_shape() -> None:
    found = [at("heart", 0, 0, "blue"), at("square", 40, 0, "red")]
    assert decided(found, entry("heart", color="blue"), entry("square", color="red")) == ""
    wrong = decided(found, entry("heart", color="red"), entry("square", color="blue"))
    assert wrong == "expected 1 red heart, found 0; expected 1 blue square, found 0"


def test_position_is_by_centres() -> None:
    found = [at("key", 0, 0), at("star", 40, 2)]
    key, star = entry("key"), entry("star", position=["right of", 0])
    assert decided(found, key, star) == ""
    assert "is not left of" in decided(found, key, entry("star", position=["left of", 0]))
    assert "nothing for star" in decided(found, entry("bear"), star)


def test_pictures_of_other_sizes_and_noise_are_read() -> None:
    records = prompts("seen", 2, seed=5)
    small = real(records, "noto")
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    noise = np.random.default_rng(0).normal(0, 6, small.shape)
    noisy = np.clip(small + noise, 0, 255).astype(np.uint8)
    for pictures in (large, noisy):
        assert np.mean([verdict.correct for verdict in judge(pictures, records)]) >= 0.8


@pytest.mark.parametrize("style", STYLES)
def test_every_coloured_glyph_has_its_colour(style: str) -> None:
    for thing in COLOURED_SHAPES:
        board = np.full((64, 64, 3), 255, np.uint8)
        pixels = sprite(style, thing.code, 26)
        board[8 : 8 + pixels.shape[0], 8 : 8 + pixels.shape[1]] = pixels
        (blob,) = blobs(board)
        assert colour_name(blob) == thing.colour, thing.label


def test_a_grey_thing_has_no_colour_and_dirt_is_no_thing() -> None:
    board = np.full((64, 64, 3), 255, np.uint8)
    board[10:30, 10:30] = 120
    board[50:53, 50:53] = 0
    (blob,) = blobs(board)
    assert blob.box == (10, 10, 30, 30)
    assert colour_name(blob) is None


def test_wrong_inputs_are_explained() -> None:
    record = prompts("seen", 1)[:1]
    with pytest.raises(ValueError, match="1 pictures but 0 records"):
        judge(np.zeros((1, 64, 64, 3), np.uint8), [])
    with pytest.raises(ValueError, match=r"picture 0 is float64 .* expected uint8 \[h w 3\]"):
        judge(np.zeros((1, 64, 64, 3)), record)
    bench = {"tag": "colors", "include": [entry("bench")], "prompt": "a photo of a bench"}
    with pytest.raises(ValueError, match="does not know bench"):
        judge(np.zeros((1, 64, 64, 3), np.uint8), [bench])
