"""Preprocessing equals the official processors: recordings of BLIP3-o's, and the Pillow ones of transformers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from safetensors.torch import load_file

from diptych.data.picture_sizes import covering_size, naflex_size, native_size
from diptych.data.preprocess import open_picture, to_pixel_list, to_pixels
from diptych.errors import DataError
from diptych.spec.preprocess import Preprocess


RECORDED = Path(__file__).parent / "recorded"
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SIZES = [(190, 143), (64, 64), (37, 91), (301, 40), (1, 5), (5, 1), (33, 32)]


def made(name, how):
    with Image.open(RECORDED / f"{name}.png") as picture:
        picture.load()
        return to_pixels([picture], how)


def noise(size):
    return Image.fromarray(np.random.default_rng(sum(size)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def recorded():
    return load_file(RECORDED / "preproc.safetensors")


@pytest.mark.parametrize(
    ("key", "name", "how"),
    [
        ("eva.size64", "preproc_input", Preprocess(64, 64, **CLIP, centre="even")),
        ("eva.size112", "preproc_input", Preprocess(112, 112, **CLIP, centre="even")),
        ("eva.size64_gray", "preproc_input_gray", Preprocess(64, 64, **CLIP, centre="even")),
        ("eva.size64_rgba", "preproc_input_rgba", Preprocess(64, 64, **CLIP, centre="even", transparency="ignore")),
        ("siglip.size64_resample2", "preproc_input", Preprocess(64, 64, "stretch", "bilinear")),
        ("siglip.size64_resample3", "preproc_input", Preprocess(64, 64, "stretch", "bicubic")),
        ("sana.target_transform64", "preproc_input", Preprocess(64, 64, "shorter-side", "bilinear")),
        ("siglip.source_transform64_resample2", "preproc_input", Preprocess(64, 64, "shorter-side", "bilinear")),
        ("siglip.source_transform64_resample3", "preproc_input", Preprocess(64, 64, "shorter-side", "bilinear")),
    ],
)
def test_it_makes_what_blip3o_was_given(recorded, key, name, how):
    wanted = recorded[key] if recorded[key].ndim == 4 else recorded[key][None]
    torch.testing.assert_close(made(name, how), wanted, atol=1e-5, rtol=0)


def test_it_makes_what_blip3o_was_given_at_its_own_size(recorded):
    pixels = made("preproc_input", Preprocess(448, 448, **CLIP, centre="even"))
    torch.testing.assert_close(pixels[:, :, ::7, ::7], recorded["eva.size448_every7th"], atol=1e-5, rtol=0)
    torch.testing.assert_close(pixels.double().sum(-1), recorded["eva.size448_rowsum_f64"], atol=1e-3, rtol=0)


def test_it_makes_what_qwen_was_given(recorded):
    how = Preprocess(56, 56, "native", **CLIP, multiple=28, area=(784, 4704))
    (pixels,) = to_pixel_list([open_picture(RECORDED / "preproc_input.png")], how)
    _, height, width = (int(each) for each in recorded["qwen.image_grid_thw"][0])
    assert pixels.shape == (3, 14 * height, 14 * width)
    twice = pixels[None].expand(2, -1, -1, -1)
    patches = rearrange(twice, "t c (h i p) (w j q) -> (h w i j) (c t p q)", i=2, j=2, p=14, q=14)
    torch.testing.assert_close(patches, recorded["qwen.pixel_values"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_clip_siglip_janus_and_dinov2_processors_of_transformers(size):
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    square = {"height": 24, "width": 24}
    pairs = [
        (CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=square), Preprocess(24, 24, **CLIP)),
        (SiglipImageProcessorPil(size=square), Preprocess(24, 24, "stretch")),
        (JanusImageProcessorPil(size=square, image_mean=[0.5] * 3, image_std=[0.5] * 3), Preprocess(24, 24, "pad")),
        (JanusImageProcessorPil(size=square), Preprocess(24, 24, "pad", **CLIP)),
        (
            BitImageProcessorPil(
                size={"shortest_edge": 28}, crop_size=square, image_mean=IMAGENET["mean"], image_std=IMAGENET["std"]
            ),
            Preprocess(24, 24, **IMAGENET, shorter=28),
        ),
    ]
    for processor, how in pairs:
        wanted = processor([noise(size)], return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(to_pixels([noise(size)], how), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [*SIZES, (640, 360)])
def test_naflex_processor_of_transformers(size):
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    given = Siglip2ImageProcessorPil(max_num_patches=36, patch_size=8)([noise(size)], return_tensors="pt")
    how = Preprocess(48, 48, "naflex", "bilinear", multiple=8, area=(1, 36 * 64))
    (pixels,) = to_pixel_list([noise(size)], how)
    patches = rearrange(pixels, "c (h i) (w j) -> (h w) (i j c)", i=8, j=8)
    assert given["spatial_shapes"][0].tolist() == [pixels.shape[1] // 8, pixels.shape[2] // 8]
    torch.testing.assert_close(patches, given["pixel_values"][0, : len(patches)], atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(190, 143), (64, 64), (37, 91), (301, 40), (5, 5), (900, 700), (42, 42)])
def test_qwen_processor_of_transformers(size):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    wanted = smart_resize(size[1], size[0], 28, 3136, 50000)
    assert native_size(*size, 28, (3136, 50000)) == wanted[::-1]


def test_a_picture_too_thin_for_any_grid_is_refused():
    with pytest.raises(DataError, match="600 x 2 is too thin"):
        to_pixel_list([noise((600, 2))], Preprocess(56, 56, "native", multiple=28, area=(784, 4704)))


@pytest.mark.parametrize("size", [(3, 400), (400, 3), (2, 250), (150, 1)])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_only_the_centre_of_a_thin_picture_is_resized_and_nobody_can_tell(size, method, monkeypatch):
    how = Preprocess(12, 12, interpolation=method)
    waves = np.sin(np.arange(size[0] * size[1] * 3).reshape(size[1], size[0], 3) / 40) * 90 + 128
    picture = Image.fromarray(waves.astype(np.uint8))
    quick = to_pixels([picture], how)
    monkeypatch.setattr("diptych.data.preprocess._MANY", 10**9)
    assert (quick - to_pixels([picture], how)).abs().max() <= 2.01 / 127.5  # Pillow may choose another order of passes


def test_the_thinnest_picture_takes_no_memory():
    pixels = to_pixels([Image.new("RGB", (1, 60_000), "red")], Preprocess(448, 448))  # whole: 448 x 26,880,000
    assert pixels.unique().tolist() == [-1, 1]
    assert naflex_size(1, 60_000, 16, 256 * 256)[1] <= 4096


def test_sizes_that_differ_are_not_stacked():
    how = Preprocess(48, 48, "naflex", multiple=8, area=(1, 2304))
    with pytest.raises(DataError, match=r"different sizes.*to_pixel_list"):
        to_pixels([noise((64, 64)), noise((90, 20))], how)
    assert to_pixels([noise((64, 64))] * 2, how).shape == (2, 3, 48, 48)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shorter": 40}, "would not cover a crop of 48 x 48"),
        ({"resize": "naflex"}, "needs an area"),
        ({"resize": "native", "multiple": 28, "area": (1, 700)}, "28 x 28"),
        ({"resize": "native", "area": (9, 4)}, "needs an area"),
    ],
)
def test_a_preprocess_that_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        Preprocess(48, 48, **fields)
    with pytest.raises(ValueError, match="at least 1"):
        Preprocess(0, 4)


@pytest.mark.parametrize("size", SIZES)
def test_a_covering_size_covers(size):
    width, height = covering_size(*size, (24, 10))
    assert (width == 24 and height >= 10) or (width >= 24 and height == 10)
    assert min(covering_size(*size, (24, 24), 28)) == 28
