"""A tiny Janus-Pro, written by transformers: it imports, gives transformers' numbers, and exports unchanged."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from integration_cases import janus as janus_model
from integration_cases.spoiled import refused as refused_import
from safetensors.torch import load_file, save_file

import diptych
from diptych.data.sample import Turn
from diptych.errors import SpecError
from diptych.importing.bring import import_checkpoint
from diptych.importing.send import export_checkpoint
from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree


TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    model = janus_model.official()
    return model, janus_model.write(model, tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="module")
def folder(written, tmp_path_factory):
    place = tmp_path_factory.mktemp("ours") / "tiny"
    done = import_checkpoint("janus", written[1], place)
    assert not done.left_out
    assert not done.skipped
    return place


@pytest.fixture(scope="module", params=TOLERANCE, ids=["float32", "float64"])
def pair(request, written, folder):
    theirs = written[0].to(request.param)
    yield theirs, diptych.load(folder, dtype=request.param), TOLERANCE[request.param]
    written[0].float()


def near(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


def picture(seed=0, height=16, width=16):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# -- prompts -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processor():
    from transformers import PreTrainedTokenizerFast
    from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
    from transformers.models.janus.processing_janus import JanusProcessor

    own = PreTrainedTokenizerFast(
        tokenizer_object=janus_model.tokenizer(),
        bos_token=janus_model.START,
        eos_token=janus_model.END,
        pad_token=janus_model.PAD,
        extra_special_tokens={
            "image_token": "<image_placeholder>",
            "boi_token": "<begin_of_image>",
            "eoi_token": "<end_of_image>",
        },
    )
    half = [0.5] * 3
    eye = JanusImageProcessorPil(size={"height": 16, "width": 16}, image_mean=half, image_std=half)
    return JanusProcessor(eye, own, use_default_system_prompt=True, num_image_tokens=16)


def test_prompts_become_the_ids_of_the_official_processor(processor, folder):
    model = diptych.load(folder)
    shown = picture(1, 9, 14)
    question = "<|User|>: <image_placeholder>\nwhat is it?\n\n<|Assistant|>:"
    given = processor(text=question, images=[shown], return_tensors="pt")
    own = model.prompts.conversation([Turn("user", (shown, "what is it?"))], 16)
    assert list(own.ids) == given["input_ids"][0].tolist()
    near(model.pixels("siglip", [shown]), given["pixel_values"], 1e-6)
    turns = [Turn("user", ("what?",)), Turn("assistant", ("a cat",)), Turn("user", ("what else?",))]
    said = f"<|User|>: what?\n\n<|Assistant|>: a cat{janus_model.END}<|User|>: what else?\n\n<|Assistant|>:"
    assert list(model.prompts.conversation(turns, 16).ids) == processor(text=said)["input_ids"][0].tolist()
    wish = processor(text="<|User|>: a cat at war\n\n<|Assistant|>:", generation_mode="image")
    assert list(model.prompts.painting("a cat at war", 0).ids) == wish["input_ids"][0].tolist()


# -- numbers -----------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_text_and_understanding_logits(pair):
    theirs, ours, atol = pair
    shown = [picture(1), picture(2), picture(3)]
    talks = [
        [Turn("user", ("what?",))],
        [Turn("user", (shown[0], "what is left of the cat?"))],
        [Turn("user", (shown[1], shown[2], "which?")), Turn("assistant", ("a cat",)), Turn("user", ("why?",))],
    ]
    sequences = ours.sequences([ours.prompts.conversation(talk, 16) for talk in talks])
    pixels = ours.pixels("siglip", shown)
    tokens = ours.reading_tokens(ours.encode("siglip", pixels))
    near(tokens, theirs.model.get_image_features(pixels).pooler_output, atol)
    logits = ours.parts.text.logits(ours.states(sequences, tokens), ours.parts.backbone)
    mask = sequences.mask
    wanted = theirs(
        input_ids=sequences.ids,
        pixel_values=pixels,
        attention_mask=mask.long(),
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
    ).logits
    assert wanted[mask].abs().max() > 1
    near(logits[mask], wanted[mask], atol)


@torch.inference_mode()
def test_image_token_logits_and_pixels(pair):
    theirs, ours, atol = pair
    head, backbone = ours.parts.step("tokens")["head"], ours.parts.backbone
    ids = torch.randint(janus_model.CODES, (2, 16), generator=torch.Generator().manual_seed(3))
    sequences = ours.painting(["a cat", "at war with a whale"], "tokens")
    embeds, mask = ours.opening(sequences, "tokens")
    made = head.embed(ids[:, :-1], backbone)
    near(made, theirs.prepare_embeddings_for_image_generation(ids[:, :-1]), atol)
    seen = torch.cat([mask, mask.new_ones(2, 15)], 1)
    states = backbone(torch.cat([embeds, made], 1), seen)[:, embeds.shape[1] - 1 :]
    hidden = theirs.model.language_model(
        inputs_embeds=torch.cat([theirs.get_input_embeddings()(sequences.ids), made], 1),
        attention_mask=seen.long(),
        position_ids=(seen.cumsum(1) - 1).clamp(min=0),
    ).last_hidden_state[:, embeds.shape[1] - 1 :]
    near(head.table.logits(states, backbone), theirs.model.generation_head(hidden), atol)
    pixels = theirs.decode_image_tokens(ids).permute(0, 3, 1, 2)
    assert pixels.shape == (2, 3, 8, 8)
    assert (pixels.abs() < 1).any()
    near(ours.to_pixels(ids, [0, 1]), pixels.clamp(-1, 1), atol)
    shown = ours.pixels("vq", [picture(5, 8, 8), picture(6, 8, 8)])
    assert torch.equal(ours.encode("vq", shown).flatten(), theirs.model.vqmodel.encode(shown).image_tokens)


@pytest.mark.parametrize("scale", [5.0, 2.0])
def test_greedy_pictures_under_guidance(pair, scale):
    theirs, ours, _ = pair
    sequences = ours.painting(["a cat", "at war with a whale"], "tokens")
    wanted = theirs.generate(
        sequences.ids,
        attention_mask=sequences.mask.long(),
        generation_mode="image",
        do_sample=False,
        guidance_scale=scale,
        max_length=128,
    )
    head = ours.parts.step("tokens")["head"]
    head.how["temperature"] = 0
    guidance = ClassifierFree(scale=scale).build()
    opening = ours.opening(sequences, "tokens")
    made = head.sample(*opening, generators([0, 1]), guidance=guidance, backbone=ours.parts.backbone)
    head.how["temperature"] = 1.0
    assert len(wanted.unique()) > 2
    assert torch.equal(made, wanted)


def test_answers(pair):
    theirs, ours, _ = pair
    shown = picture(1)
    encoded = ours.prompts.conversation([Turn("user", (shown, "what?"))], 16)
    out = theirs.generate(
        torch.tensor([encoded.ids]),
        pixel_values=ours.pixels("siglip", [shown]),
        attention_mask=torch.ones(1, len(encoded.ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=8,
    )
    said = ours.prompts.spoken(out[0, len(encoded.ids) :].tolist())
    assert ours.ask(shown, "what?", max_tokens=8) == ours.tokenizer.decode(said).strip()


def test_pictures_are_functions_of_prompt_and_seed(folder):
    model = diptych.load(folder)
    together = model.features(["a cat", "at war with a whale"], [1, 2])
    assert torch.equal(together[1:], model.features(["at war with a whale"], [2]))
    assert model.generate("a cat")[0].size == (8, 8)
    assert model.reconstruct([picture(5, 8, 8)])[0].size == (8, 8)


# -- there and back ----------------------------------------------------------------------------------------------------


def same_files(before, after):
    first, second = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(second[name], value) for name, value in first.items())


def test_what_is_exported_is_what_was_imported(written, folder, tmp_path):
    export_checkpoint("janus", folder, tmp_path / "back")
    same_files(written[1], tmp_path / "back")
    for name in ("config.json", "generation_config.json", "preprocessor_config.json"):
        assert json.loads((tmp_path / "back" / name).read_text()) == json.loads((written[1] / name).read_text())
    assert (tmp_path / "back" / "tokenizer.json").read_bytes() == (written[1] / "tokenizer.json").read_bytes()


def test_other_sizes_of_the_layout(tmp_path):
    model = janus_model.official(
        text_config={**janus_model.TEXT, "num_hidden_layers": 1, "num_key_value_heads": 4, "rms_norm_eps": 1e-5},
        vision_config={**janus_model.VISION, "depth": 1},
        vq_config={**janus_model.IDS, "num_hidden_layers": 3},
        tie_word_embeddings=True,
    )
    before = janus_model.write(model, tmp_path / "theirs")
    config = json.loads((before / "config.json").read_text())  # older versions leave out what is the default
    for name, value in (("layer_norm_eps", 1e-6), ("hidden_act", "gelu"), ("num_channels", 3)):
        assert config["vision_config"].pop(name) == value
    (before / "config.json").write_text(json.dumps(config))
    import_checkpoint("janus", before, tmp_path / "ours")
    ours = diptych.load(tmp_path / "ours")
    ids = torch.tensor([ours.prompts.painting("a cat", 0).ids])
    states = ours.states(ours.painting(["a cat"], "tokens"))
    near(ours.parts.text.logits(states, ours.parts.backbone), model(input_ids=ids).logits, 1e-4)
    pixels = ours.pixels("siglip", [picture()])
    features = ours.reading_tokens(ours.encode("siglip", pixels))
    near(features, model.model.get_image_features(pixels).pooler_output, 1e-4)
    export_checkpoint("janus", tmp_path / "ours", tmp_path / "back")
    same_files(before, tmp_path / "back")
    assert json.loads((tmp_path / "back" / "config.json").read_text()) == config


# -- what is not a Janus -----------------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(written, tmp_path):
    import shutil

    return shutil.copytree(written[1], tmp_path / "theirs")


refused = partial(refused_import, "janus")


def said(folder, section, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    (config[section] if section else config).update(changes)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("section", "changes", "why"),
    [
        ("", {"model_type": "blip3o_qwen"}, "model_type 'blip3o_qwen', but this importer reads janus"),
        ("vision_config", {"use_qk_norm": True}, "vision_config.use_qk_norm is True, but can only be False"),
        ("vq_config", {"projection_dim": 8}, "vq_config.projection_dim is 8, but the language model is 32 wide"),
        ("vision_config", {"depth": 3}, "the aligner can have 1 or 2 layers"),
        ("vq_config", {"channel_multiplier": [2, 4]}, "channel_multiplier must begin with 1"),
        ("vision_config", {"hidden_size": "wide"}, "config.json is not that of a Janus"),
        (
            "vq_config",
            {"num_hidden_layers": 3},
            "missing: nothing in the checkpoint becomes generate.tokens.head.table",
        ),
    ],
)
def test_what_our_parts_cannot_be_is_refused(spoiled, section, changes, why):
    said(spoiled, section, **changes)
    assert why in refused(spoiled)


def test_the_first_janus_is_told_from_janus_pro(spoiled):
    """Its roles are plain words; everything else of its layout, as transformers writes it, is the same."""
    path = spoiled / "tokenizer.json"
    path.write_text(path.read_text().replace("<|User|>", "<user>").replace("<|Assistant|>", "<assistant>"))
    text = refused(spoiled)
    assert "its tokenizer has no <|User|> and no <|Assistant|>" in text
    assert "this importer reads Janus-Pro alone" in text


def test_deepseeks_own_layout_is_told_how_to_convert(spoiled):
    """The config and some of the names of what DeepSeek released, in the files it released them in."""
    said(spoiled, "", model_type="multi_modality", language_config={"model_type": "llama"})
    found = load_file(spoiled / "model.safetensors")
    own = {name.replace("model.language_model.", "language_model.model."): value for name, value in found.items()}
    (spoiled / "model.safetensors").unlink()
    torch.save(own, spoiled / "pytorch_model.bin")
    text = refused(spoiled)
    assert "model_type 'multi_modality', which is DeepSeek's own layout" in text
    assert "convert_janus_weights_to_hf.py" in text


def test_ids_that_disagree_are_refused(spoiled):
    said(spoiled, "", image_token_id=3)
    assert "'<image_placeholder>' is 264 in the tokenizer, but 3 in the spec" in refused(spoiled, SpecError)


def test_pictures_of_another_range_are_refused(spoiled):
    (spoiled / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.48, 0.46, 0.41]}))
    assert "image_mean of the picture processor is [0.48, 0.46, 0.41]" in refused(spoiled)


def test_a_tensor_too_many_is_named(spoiled):
    found = load_file(spoiled / "model.safetensors")
    save_file({**found, "model.aligner.more.weight": torch.zeros(2)}, spoiled / "model.safetensors")
    assert "unexpected: model.aligner.more.weight F32 [2]" in refused(spoiled)
