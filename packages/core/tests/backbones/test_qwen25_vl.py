"""`qwen2.5-vl` against the official class: tower, M-RoPE, logits, gradients, incremental decoding."""

import attrs
import numpy as np
import pytest
import torch
from core_cases.hf import assert_same_gradients, written
from PIL import Image
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from diptych.backbones.lora_spec import Lora
from diptych.backbones.mrope import mrope_positions
from diptych.backbones.qwen25_vl import Qwen25VLSpec, Tower
from diptych.data.preprocess import to_pixels
from diptych.errors import CheckpointError


PAD, IMAGE, OPEN = 0, 30, 29
TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
    "vocab_size": 32,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
}
VISION = {
    "depth": 2,
    "hidden_size": 16,
    "num_heads": 2,
    "intermediate_size": 20,
    "patch_size": 4,
    "window_size": 16,
    "fullatt_block_indexes": [1],
    "out_hidden_size": 32,
}
SPEC = Qwen25VLSpec(
    width=32, layers=2, heads=2, kv_heads=1, mlp_width=24, mrope_section=(2, 3, 3), tied=False, image_size=24,
    tower=Tower(width=16, layers=2, heads=2, mlp_width=20, patch_size=4, window=16, whole=(1,)), vocabulary=32,
)  # fmt: skip
LONG = [5, OPEN, *[IMAGE] * 9, 7, 8, OPEN, *[IMAGE] * 9, 4]
SHORT = [6, 6, OPEN, *[IMAGE] * 9]
IDS = torch.tensor([LONG, [PAD] * (len(LONG) - len(SHORT)) + SHORT])
MASK = IDS != PAD
SPANS = [(0, 2, 9), (0, 14, 9), (1, len(LONG) - 9, 9)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(
        text_config=TEXT,
        vision_config=VISION,
        image_token_id=IMAGE,
        vision_start_token_id=OPEN,
        tie_word_embeddings=False,
    )
    folder = tmp_path_factory.mktemp("vl")
    return folder, written(Qwen2_5_VLForConditionalGeneration(config), folder)


@pytest.fixture
def ours(checkpoint):
    return loaded(checkpoint[0])


def loaded(folder, **changes):
    spec = attrs.evolve(SPEC, weights=str(folder), **changes)
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


def pictures(count=3):
    own = np.random.default_rng(0)
    return [Image.fromarray(own.integers(0, 255, (24, 24, 3), dtype=np.uint8)) for _ in range(count)]


def official_pixels():
    processor = Qwen2VLImageProcessorPil(patch_size=4, merge_size=2, min_pixels=64, max_pixels=24 * 24)
    made = processor(pictures(), return_tensors="pt")
    assert made["image_grid_thw"].tolist() == [[1, 6, 6]] * 3
    return made["pixel_values"], made["image_grid_thw"]


def official_logits(model):
    values, grids = official_pixels()
    kinds = (IDS == IMAGE).int()
    return model(
        input_ids=IDS, attention_mask=MASK.long(), pixel_values=values, image_grid_thw=grids, mm_token_type_ids=kinds
    ).logits


def own_embeds(module):
    tokens = module.read(to_pixels(pictures(), SPEC.preprocess()))
    embeds = module.embed(IDS).clone()
    for (row, start, length), each in zip(SPANS, tokens, strict=True):
        embeds[row, start : start + length] = each
    return embeds


def test_tower_equals_the_official_one_from_the_picture_on(checkpoint, ours):
    values, grids = official_pixels()
    with torch.no_grad():
        theirs = checkpoint[1].model.visual(values, grid_thw=grids).pooler_output
        tokens = ours.read(to_pixels(pictures(), SPEC.preprocess()))
    assert tokens.shape == (3, 9, 32)
    torch.testing.assert_close(tokens.flatten(0, 1), theirs, atol=1e-5, rtol=0)


def test_logits_and_gradients_equal_the_official_ones(checkpoint, ours):
    theirs = checkpoint[1]
    expected = official_logits(theirs)
    logits = ours.logits(ours(own_embeds(ours), MASK, images=SPANS))
    torch.testing.assert_close(logits[MASK], expected[MASK], atol=2e-5, rtol=0)
    theirs.zero_grad()
    logits[MASK].square().sum().backward()
    expected[MASK].square().sum().backward()
    assert_same_gradients(ours.model, theirs)


def test_positions_are_the_official_ones(checkpoint):
    theirs, deltas = checkpoint[1].model.get_rope_index(
        IDS, (IDS == IMAGE).int(), torch.tensor([[1, 6, 6]] * 3), attention_mask=MASK.long()
    )
    positions, lag = mrope_positions(MASK, SPANS, (3, 3))
    assert torch.equal(positions[:, MASK], theirs[:, MASK])
    assert torch.equal(-lag, deltas[:, 0])


def test_positions_of_grids_that_are_not_square():
    positions, lag = mrope_positions(torch.ones(1, 9, dtype=torch.bool), [(0, 1, 6)], (2, 3))
    assert positions[:, 0].tolist() == [
        [0, 1, 1, 1, 1, 1, 1, 4, 5],
        [0, 1, 1, 1, 2, 2, 2, 4, 5],
        [0, 1, 2, 3, 1, 2, 3, 4, 5],
    ]
    assert lag.tolist() == [3]


def test_a_cache_goes_on_where_pictures_end(ours):
    more = torch.cat([IDS, torch.tensor([[3, 9], [4, 1]])], 1)
    mask = torch.cat([MASK, torch.ones(2, 2, dtype=torch.bool)], 1)
    with torch.no_grad():
        embeds = torch.cat([own_embeds(ours), ours.embed(more[:, -2:])], 1)
        whole = ours(embeds, mask, images=SPANS)
        cache = ours.new_cache()
        ours(embeds[:, :-2], mask[:, :-2], cache, images=SPANS)
        steps = [
            ours(embeds[:, i : i + 1], mask[:, : i + 1], cache) for i in range(embeds.shape[1] - 2, embeds.shape[1])
        ]
        with pytest.raises(ValueError, match="first pass"):
            ours(embeds[:, -1:], mask, cache, images=[(0, 0, 1)])
    torch.testing.assert_close(torch.cat(steps, 1), whole[:, -2:], atol=1e-5, rtol=0)


def test_text_alone_counts_as_text(ours):
    positions, lag = mrope_positions(MASK, [], (3, 3))
    assert torch.equal(positions[1], positions[0])
    assert lag.tolist() == [0, 0]
    embeds = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(ours(embeds, MASK[:, -5:]), ours(embeds, MASK[:, -5:], images=()))


def test_adapters_go_to_the_language_model_only(checkpoint):
    pytest.importorskip("peft")
    module = loaded(checkpoint[0], lora=Lora(rank=2))
    trained = [name for name, each in module.named_parameters() if each.requires_grad]
    assert len(trained) == 2 * 2 * 7
    assert all(name.startswith("model.model.language_model.layers.") for name in trained)
    with torch.no_grad():
        plain = loaded(checkpoint[0])
        both = [each(own_embeds(each), MASK, images=SPANS) for each in (module, plain)]
    torch.testing.assert_close(*both, atol=1e-5, rtol=0)


def test_checkpoints_of_other_sizes_are_refused(checkpoint):
    other = attrs.evolve(SPEC.tower, window=8, whole=(0,))
    spec = attrs.evolve(SPEC, tower=other, weights=str(checkpoint[0]), rope_theta=1e4)
    with pytest.raises(CheckpointError) as error:
        spec.load_weights(spec.build())
    for words in ("vision_config.window_size: 16", "vision_config.fullatt_block_indexes: [1] in", "rope_parameters"):
        assert words in str(error.value)


def test_pictures_of_another_size_are_refused(ours):
    with pytest.raises(ValueError, match=r"takes pictures \[k 3 24 24\], not \[1, 3, 16, 24\]"):
        ours.read(torch.zeros(1, 3, 16, 24))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 25}, "25 is no multiple of patch_size x merge = 8; 24 is"),
        ({"mrope_section": (2, 3, 4)}, "must sum to half a head's width, 8"),
        ({"kv_heads": 3}, "must divide in turn"),
        ({"tower": Tower(layers=2, whole=(2,))}, r"whole names layers \[2\], but they are 0..1"),
    ],
)
def test_impossible_sizes_say_what_would_do(changes, message):
    with pytest.raises(ValueError, match=message):
        attrs.evolve(SPEC, **changes)


@pytest.mark.parametrize(("name", "billion"), [("3b", 3.754), ("7b", 8.292)])
def test_presets_are_the_public_sizes(name, billion):
    with torch.device("meta"):
        module = Qwen25VLSpec.preset(name, vocabulary=151936 if name == "3b" else 152064).build()
    assert sum(each.numel() for each in module.parameters()) / 1e9 == pytest.approx(billion, abs=0.002)


def test_rotary_frequencies_of_words_and_pictures_stay_exact_in_bfloat16():
    module = SPEC.build()
    exact = {name: each.clone() for name, each in module.named_buffers() if "inv_freq" in name}
    narrowed = dict(module.to(torch.bfloat16).named_buffers())
    assert {name.split(".")[2] for name in exact} == {"visual", "language_model"}
    for name, each in exact.items():
        torch.testing.assert_close(narrowed[name], each, atol=0, rtol=0)
