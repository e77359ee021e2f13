"""Pictures of every kind become the same pixels, and what is no picture is named."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from diptych.data.preprocess import open_picture, signed_pixels, to_pictures, to_pixels, to_rgb
from diptych.errors import DataError
from diptych.spec.preprocess import Preprocess


SIZE = (8, 6)
RED = np.broadcast_to(np.array([200, 40, 30], np.uint8), (6, 8, 3))


def pixel(image):
    return to_rgb(image).getpixel((0, 0))


def test_transparency_is_laid_on_white():
    assert pixel(Image.new("RGBA", SIZE, (255, 0, 0, 0))) == (255, 255, 255)
    assert pixel(Image.new("RGBA", SIZE, (255, 0, 0, 255))) == (255, 0, 0)
    assert pixel(Image.new("RGBA", SIZE, (0, 0, 0, 128)))[0] in (126, 127, 128)
    assert pixel(Image.new("LA", SIZE, (0, 0))) == (255, 255, 255)


def test_a_transparent_colour_of_a_palette_is_laid_on_white(tmp_path):
    image = Image.new("P", SIZE, 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "palette.png", transparency=1)
    assert open_picture(tmp_path / "palette.png").getpixel((0, 0)) == (255, 255, 255)
    image.save(tmp_path / "opaque.png")
    assert open_picture(tmp_path / "opaque.png").getpixel((0, 0)) == (0, 255, 0)


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("I", 200, (200, 200, 200)),
    ],
)
def test_other_modes_become_rgb(mode, colour, wanted):
    assert pixel(Image.new(mode, SIZE, colour)) == wanted


@pytest.mark.parametrize(("level", "wanted"), [(0, 0), (200, 1), (255, 1), (257, 1), (32896, 128), (65535, 255)])
def test_sixteen_bits_become_eight_whatever_the_brightest_value_is(tmp_path, level, wanted):
    Image.fromarray(np.full((6, 8), level, np.uint16)).save(tmp_path / "deep.png")
    assert open_picture(tmp_path / "deep.png").getpixel((0, 0)) == (wanted,) * 3


def test_the_rotation_that_a_camera_notes_is_applied(tmp_path):
    image = Image.fromarray(np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    turned = open_picture(tmp_path / "turned.png")
    assert turned.size == (6, 8)
    assert np.array_equal(np.asarray(turned), np.rot90(np.asarray(image), -1))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.bmp", "a.tiff"])
def test_common_files_can_be_read(tmp_path, name):
    Image.fromarray(RED).save(tmp_path / name)
    read = np.asarray(open_picture(tmp_path / name), int)
    assert read.shape == (6, 8, 3)
    assert np.abs(read - RED).max() < 30


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg/>", b"\xff\xd8\xff"])
def test_a_file_that_is_no_image(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.png"):
        open_picture(tmp_path / "x.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif"])
def test_a_truncated_file(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=name):
        open_picture(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path))}: cannot be read as an image: Is a directory$"):
        open_picture(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        open_picture(tmp_path / "x.png")
    with pytest.raises(DataError):
        open_picture(tmp_path)
    with pytest.raises(DataError):
        open_picture("a\0b")
    with pytest.raises(DataError):
        open_picture("x" * 5000)


def test_a_decompression_bomb(tmp_path, monkeypatch):
    Image.new("1", (300, 300)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="cannot be read as an image"):
        open_picture(tmp_path / "bomb.png")


def test_more_pixels_than_pillow_warns_of_are_refused_before_they_are_read(tmp_path, monkeypatch):
    Image.new("1", (15, 10)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses 200 and only warns of 150
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(DataError, match="15 x 10 pixels are over 100"):
        open_picture(tmp_path / "bomb.png")


def test_transparency_can_be_ignored():
    hidden = Image.new("RGBA", SIZE, (10, 20, 30, 0))
    assert to_rgb(hidden, "ignore").getpixel((0, 0)) == (10, 20, 30)
    pixels = to_pixels([hidden], Preprocess(6, 8, transparency="ignore", mean=(0, 0, 0), std=(1, 1, 1)))
    assert torch.allclose(pixels[0, :, 0, 0] * 255, torch.tensor([10.0, 20.0, 30.0]))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
    ],
)
def test_arrays_are_eight_bit_rgb_with_pixels(array):
    with pytest.raises(DataError):
        to_rgb(array)
    with pytest.raises(DataError):
        to_pixels([array], Preprocess(4, 4))


def test_an_image_without_pixels():
    with pytest.raises(DataError, match="no pixels: 0 x 5"):
        to_rgb(Image.new("RGB", (0, 5)))


def test_pixels_are_normalised_per_channel():
    pixels = to_pixels([RED.copy()], Preprocess(6, 8, mean=(0.1, 0.2, 0.3), std=(1, 2, 4)))
    wanted = [(200 / 255 - 0.1) / 1, (40 / 255 - 0.2) / 2, (30 / 255 - 0.3) / 4]
    assert pixels.shape == (1, 3, 6, 8)
    assert torch.allclose(pixels[0, :, 2, 3], torch.tensor(wanted))


@pytest.mark.parametrize("size", [(6, 8), (8, 6), (60, 8), (7, 90), (1, 1), (3, 3)])
@pytest.mark.parametrize("resize", ["shorter-side", "stretch"])
def test_any_size_becomes_the_one_asked_for(size, resize):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert to_pixels([picture], Preprocess(6, 8, resize=resize)).shape == (1, 3, 6, 8)


def test_the_centre_is_kept_and_the_aspect_too():
    wide = np.full((4, 12, 3), 0, np.uint8)
    wide[:, 4:8] = 255
    assert to_pixels([wide], Preprocess(4, 4)).unique().tolist() == [1.0]
    assert to_pixels([wide], Preprocess(4, 4, resize="stretch", interpolation="nearest")).unique().tolist() == [-1, 1]


def test_a_picture_of_the_right_size_is_not_touched():
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    for how in ("nearest", "bilinear", "bicubic", "lanczos"):
        for given in (picture, Image.fromarray(picture)):
            pixels = to_pixels([given], Preprocess(6, 8, interpolation=how))
            assert np.array_equal(((pixels[0] * 0.5 + 0.5) * 255).round().byte().permute(1, 2, 0), picture)


def test_pictures_and_signed_pixels_are_inverse():
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    (again,) = to_pictures(signed_pixels([picture], (6, 8)))
    assert np.array_equal(np.asarray(again), picture)
    assert np.asarray(to_pictures(torch.full((1, 3, 2, 2), 9.0))[0]).min() == 255


def test_what_is_no_picture_says_so():
    with pytest.raises(DataError, match=r"got str; `diptych\.data.preprocess\.open_picture` reads a file"):
        to_rgb("cat.png")
    with pytest.raises(DataError, match=r"got NoneType$"):
        to_rgb(None)
