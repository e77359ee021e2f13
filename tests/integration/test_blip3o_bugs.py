"""Bugs of the original code that no other test holds, each by its number in the table of docs/blip3o.md."""

import copy
import json
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from integration_cases.spoiled import config, tensors
from safetensors.torch import load_file

import diptych
from diptych.checkpoint.tensors import own_tensors
from diptych.data.mixture import Mixture
from diptych.data.sample import Sample, Turn
from diptych.data.squares import Squares
from diptych.importing.bring import import_checkpoint
from diptych.importing.send import export_checkpoint
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Answer, Paint
from diptych.sequences import Sequences
from diptych.spec.files import read_spec
from diptych.spec.model import ModelSpec
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure
from diptych.tokenizers.file import FileTokenizer
from diptych.training.run import train
from diptych_heads.networks.specs import LuminaNext


CAPTIONS = ["a red cat", "x", "two dogs on a long and sunny beach"]
QUERIES = 16


@pytest.fixture(scope="module")
def model(blip3o_drawing):
    return diptych.load(blip3o_drawing)


@pytest.fixture(scope="module")
def whole(blip3o_imported):
    """The target tower included, as training needs it."""
    return diptych.load(blip3o_imported)


@pytest.fixture
def folder(blip3o_folder, tmp_path):
    """A copy of the original to change."""
    return shutil.copytree(blip3o_folder, tmp_path / "theirs")


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (20, 16, 3), dtype=np.uint8)


def to_paint(index):
    return Squares(16, "paint").build().sample(index)


def to_answer(index):
    return Squares(16, "ask").build().sample(index)


# -- loading ----------------------------------------------------------------------------------------------------------


EVERY_MODULE = """
import importlib, pkgutil, socket, sys
def refuse(*_, **__):
    raise SystemExit("a network was asked for")
socket.getaddrinfo = socket.socket.connect = refuse
for name in ("diptych", "diptych_encoders", "diptych_heads"):
    package = importlib.import_module(name)
    for each in pkgutil.walk_packages(package.__path__, name + "."):
        if "__main__" not in each.name:
            importlib.import_module(each.name)
print(len([name for name in sys.modules if name.startswith("diptych")]))
"""


def test_q01_nothing_is_fetched_by_importing_any_module():
    ran = subprocess.run([sys.executable, "-c", EVERY_MODULE], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout.split()[-1]) > 200


def test_q02_nothing_is_fetched_by_loading_painting_or_training(blip3o_imported, blip3o_drawing, monkeypatch):
    for owner, name in ((socket, "getaddrinfo"), (socket.socket, "connect")):
        monkeypatch.setattr(owner, name, lambda *_, **__: pytest.fail("a network was asked for"))
    diptych.load(blip3o_drawing).generate("a red cat")
    losses = Paint().build()(Batch(diptych.load(blip3o_imported), [to_paint(0)]), torch.Generator())
    assert losses["paint"].isfinite()


def test_q04_ids_of_a_picture_are_those_of_the_tokenizer(folder, tmp_path):
    """Swapped in the tokenizer, they are swapped in the prompt."""
    path = folder / "tokenizer.json"
    text = path.read_text()
    for old, new in (("[IMG]", "[0]"), ("[/IMG]", "[IMG]"), ("[0]", "[/IMG]")):
        text = text.replace(f'"{old}"', f'"{new}"')
    path.write_text(text)
    spec = import_checkpoint("blip3o", folder, tmp_path / "ours").spec
    ids = diptych.load(tmp_path / "ours").prompts.painting("a red cat", QUERIES).ids
    assert ids[-QUERIES - 1] == 466  # 465 as it was recorded
    assert spec.generate[0].condition.count == QUERIES


def test_q14_flags_of_the_config_that_the_original_stumbles_over_change_nothing(folder, blip3o_folder, tmp_path):
    config(folder, mm_use_im_patch_token=True, mm_use_im_start_end=True)
    import_checkpoint("blip3o", folder, tmp_path / "flagged")
    import_checkpoint("blip3o", blip3o_folder, tmp_path / "plain")
    first, second = (load_file(tmp_path / each / "model.safetensors") for each in ("flagged", "plain"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], value) for name, value in second.items())
    export_checkpoint("blip3o", tmp_path / "flagged", tmp_path / "back")
    assert json.loads((tmp_path / "back" / "config.json").read_text())["mm_use_im_patch_token"] is True


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_q21_a_model_has_the_type_that_was_asked_for(blip3o_drawing, dtype):
    loaded = diptych.load(blip3o_drawing, dtype=dtype)
    assert {each.dtype for each in loaded.parts.parameters()} == {dtype}
    assert loaded.device.type == "cpu"


def test_q21_a_model_lies_where_it_was_asked_to(blip3o_drawing):
    loaded = diptych.load(blip3o_drawing, device="meta")
    assert {each.device.type for each in loaded.parts.parameters()} == {"meta"}


def test_q22_an_ffn_of_any_width_is_read(folder, whole, tmp_path):
    """Widened by zeros it computes the same; the width that diffusers would make of the sizes is asked of nobody."""

    def widen(found):
        for name in [each for each in found if ".dit." in each and ".feed_forward." in each]:
            axis = 1 if ".linear_2." in name else 0
            more = list(found[name].shape)
            more[axis] = 24
            found[name] = torch.cat([found[name], torch.zeros(more)], axis)

    tensors(folder, widen)
    done = import_checkpoint("blip3o", folder, tmp_path / "ours", numerics="reference")
    assert done.spec.generate[0].head.network.ffn_width == whole.spec.generate[0].head.network.ffn_width + 24
    made = diptych.load(tmp_path / "ours").features(["a red cat"], [0])
    torch.testing.assert_close(made, whole.features(["a red cat"], [0]), atol=1e-4, rtol=0)


def test_q23_nothing_is_lost_on_the_meta_device_or_in_half_precision():
    """Tables of rotations are computed: no weight, no buffer, and as precise in a bfloat16 network."""
    spec = LuminaNext(
        hidden_width=16, layers=2, heads=2, ffn_multiple_of=8, channels=6, height=2, width=2, condition_width=5
    )
    torch.manual_seed(0)
    made = spec.build()
    with torch.device("meta"):
        bare = spec.build()
    loaded = bare.to_empty(device="cpu")
    loaded.load_state_dict(made.state_dict())
    assert made.state_dict().keys() == dict(made.named_parameters()).keys()
    x, condition = torch.randn(2, 6, 2, 2), torch.randn(2, 3, 5)
    t = torch.tensor([0.3, 0.9])
    with torch.no_grad():
        wanted = made(x, t, made.prepare(condition, None))
        assert torch.equal(loaded(x, t, loaded.prepare(condition, None)), wanted)
        rounded = loaded.bfloat16().float()  # its weights lose bits, and nothing else of it does
        again = spec.build()
        again.load_state_dict({name: each.bfloat16().float() for name, each in made.state_dict().items()})
        assert torch.equal(rounded(x, t, rounded.prepare(condition, None)), again(x, t, again.prepare(condition, None)))


@pytest.mark.parametrize("said", ["blip3o_qwen", "blip3o_qwen_inference"])
def test_q33_both_words_for_the_model_are_read_and_kept(folder, said, tmp_path):
    config(folder, model_type=said)
    import_checkpoint("blip3o", folder, tmp_path / "ours")
    export_checkpoint("blip3o", tmp_path / "ours", tmp_path / "back")
    assert json.loads((tmp_path / "back" / "config.json").read_text())["model_type"] == said


# -- painting and answering -------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_q06_the_start_of_a_picture_and_its_queries_are_in_the_mask(model):
    encoded = [model.prompts.painting(caption, QUERIES) for caption in CAPTIONS]
    batch = model.painting(CAPTIONS, "features")
    assert batch.ids.shape == batch.mask.shape
    assert batch.mask.sum(1).tolist() == [len(each.ids) for each in encoded]
    assert batch.mask[:, -QUERIES - 1 :].all()
    # what stands at padding reaches nothing
    other = Sequences.of(encoded, 7, model.device)
    assert not torch.equal(other.ids, batch.ids)
    first, second = (model.conditions(each, "features")[0] for each in (batch, other))
    assert torch.equal(first, second)


def test_q13_pictures_are_asked_about(model):
    shown = [np.full((20, 16, 3), value, dtype=np.uint8) for value in (0, 255)] + [picture(1), picture(2)]
    answers = [model.ask(each, "what is this?", max_tokens=8) for each in shown]
    assert len(set(answers)) > 1
    two = [[Turn("user", (first, "and", second, "?"))] for first in shown for second in shown]
    assert len(set(model.chat(two, max_tokens=8))) > 1
    assert model.chat([two[1], [Turn("user", ("hello",))]], max_tokens=4)[0] == model.chat([two[1]], max_tokens=4)[0]


def test_q15_a_tokenizer_is_made_once_and_never_copied(model, monkeypatch):
    model.prompts.painting("warm", QUERIES)
    monkeypatch.setattr(copy, "deepcopy", lambda *_: pytest.fail("something was copied"))
    monkeypatch.setattr(FileTokenizer, "build", lambda _: pytest.fail("the tokenizer was read again"))
    forms, encode = [], type(model.tokenizer).encode

    def counted(self, text, *, special=False):
        forms.extend([text] * special)
        return encode(self, text, special=special)

    monkeypatch.setattr(type(model.tokenizer), "encode", counted)
    for index in range(20):
        model.prompts.painting(f"prompt {index}", QUERIES)
    assert not forms  # that of the prompt was encoded before, and is kept


# -- training ---------------------------------------------------------------------------------------------------------


def test_q08_no_word_is_scored_where_no_word_is_learned(whole, monkeypatch):
    def fail(*_, **__):
        pytest.fail("logits over all words were computed")

    monkeypatch.setattr(type(whole.parts.backbone), "logits", fail)
    monkeypatch.setattr(type(whole.parts.text), "logits", fail)
    monkeypatch.setattr(whole.parts.backbone.model.lm_head, "forward", fail)
    losses = Paint().build()(Batch(whole, [to_paint(0), to_paint(1)]), torch.Generator())
    assert list(losses) == ["paint"]
    losses["paint"].backward()
    assert whole.parts.step("features")["condition"].queries.grad.abs().max() > 0
    whole.parts.zero_grad()


def test_q11_a_batch_of_words_alone_trains(whole):
    said = ("good day", "a longer answer")
    batch = Batch(whole, [Sample((Turn("user", ("hello",)), Turn("assistant", (words,)))) for words in said])
    losses = Answer().build()(batch, torch.Generator())
    assert losses["answer"].isfinite()
    assert Paint().build()(batch, torch.Generator()) == {}


@torch.no_grad()
def test_q12_samples_that_ask_and_samples_that_paint_share_a_batch(blip3o_imported):
    model = diptych.load(blip3o_imported, dtype=torch.float64)
    mixed = Batch(model, [to_answer(0), to_paint(0), to_answer(1), to_paint(1), to_answer(2)])
    paint, answer = Paint().build(), Answer().build()
    alone = paint(Batch(model, [to_paint(0), to_paint(1)]), torch.Generator().manual_seed(1))
    both = {**paint(mixed, torch.Generator().manual_seed(1)), **answer(mixed, torch.Generator())}
    asked = answer(Batch(model, [to_answer(index) for index in range(3)]), torch.Generator())
    for name, value in {**alone, **asked}.items():
        torch.testing.assert_close(both[name], value, atol=0, rtol=1e-9)


@pytest.mark.parametrize("clip", [1e-3, 1e-2])
def test_q34_gradients_are_clipped(qwen3_siglip2, clip, tmp_path):
    data = {
        "name": "clipped",
        "model": "given",
        "data": {"squares": {"type": "squares", "image_size": 16, "task": "paint"}},
        "stages": [
            {
                "name": "paint", "train": ["generate"], "mixture": {"squares": 1}, "steps": 1, "batch": 2, "lr": 1e-9,
                "warmup": 0, "clip": clip, "losses": {"paint": {"objective": {"type": "paint"}}},
            }
        ],
    }  # fmt: skip
    train(structure(data, Recipe), tmp_path, model=qwen3_siglip2, quiet=True)
    left = [each.grad for each in qwen3_siglip2.parts.generate.parameters() if each.grad is not None]
    assert torch.cat([each.flatten() for each in left]).norm().item() == pytest.approx(clip, rel=1e-3)
    del data["stages"][0]["clip"]
    assert structure(data, Recipe).stages[0].clip == 1


class Broken:
    """A source whose sample 3 cannot be read."""

    def __len__(self):
        return 5

    def sample(self, index):
        if index == 3:
            raise OSError("picture 3 is truncated")
        return to_paint(index)


def test_q19_a_sample_that_cannot_be_read_stops_and_is_not_replaced():
    mixture = Mixture({"broken": Broken()}, {"broken": 1.0}, seed=0)
    with pytest.raises(OSError, match="picture 3 is truncated"):
        mixture.batch(0, 5)


def test_q19_a_picture_is_preprocessed_once_a_step(whole, monkeypatch):
    seen, pixels = [], type(whole).pixels

    def counted(self, name, shown):
        seen.append(len(shown))
        return pixels(self, name, shown)

    monkeypatch.setattr(type(whole), "pixels", counted)
    batch = Batch(whole, [to_paint(0), to_paint(1)])
    Paint().build()(batch, torch.Generator())
    Paint().build()(batch, torch.Generator())
    assert seen == [2]


# -- the branch Qwen3-Siglip2 -----------------------------------------------------------------------------------------


@pytest.fixture
def qwen3_siglip2(blip3o_folder):
    """The named spec at tiny sizes: prompt form, slots and kinds of parts are its own."""
    named = read_spec("blip3o-qwen3-siglip2")
    network = {"type": "lumina-next", "hidden_width": 16, "layers": 1, "heads": 2, "ffn_multiple_of": 8}
    eva = {"type": "eva-clip", "hidden_width": 16, "depth": 1, "heads": 2, "mlp_width": 24, "image_size": 28}
    eye = {"type": "siglip2", "hidden_width": 16, "depth": 2, "heads": 2, "image_size": 16, "patch_size": 4}
    data = {
        "name": "tiny",
        "backbone": {"type": "hf-causal-lm", "model_type": "qwen3", "width": 32, "layers": 1, "heads": 2},
        "tokenizer": {"type": "file", "path": str(blip3o_folder / "tokenizer.json")},
        "prompt": {"paint": named.prompt.paint, "image_open": named.prompt.image_open,
                   "image_pad": named.prompt.image_pad, "image_close": named.prompt.image_close,
                   "paint_open": named.prompt.paint_open, "query_pad": named.prompt.query_pad},
        "vision": {"siglip": eye, "clip": {**eva, "patch_size": 7}},
        "understand": {"encoder": "siglip", "connector": {"type": "mlp", "hidden": 24}},
        "text": {"type": "next-token"},
        "generate": [{"name": "features", "condition": {"type": "latent-queries", "count": 4}, "target": "clip",
                      "head": {"type": "flow-matching", "network": network}}],
    }  # fmt: skip
    return diptych.build(structure(data, ModelSpec))


def test_q37_a_trained_projector_survives_saving_and_loading(qwen3_siglip2, tmp_path):
    model = qwen3_siglip2
    projector = model.parts.connector
    optimiser = torch.optim.SGD(projector.parameters(), lr=1.0)
    before = {name: each.clone() for name, each in projector.state_dict().items()}
    Answer().build()(Batch(model, [to_answer(0), to_answer(1)]), torch.Generator())["answer"].backward()
    optimiser.step()
    assert any(not torch.equal(each, before[name]) for name, each in projector.state_dict().items())
    model.save(tmp_path / "saved")
    again = diptych.load(tmp_path / "saved")
    ours, theirs = own_tensors(model.parts), own_tensors(again.parts)
    assert ours.keys() == theirs.keys()
    assert any(name.startswith("understand.connector.") for name in ours)
    assert any(name.startswith("vision.siglip.") for name in ours)
    assert all(torch.equal(theirs[name], each) for name, each in ours.items())
    assert again.ask(picture(1), "what?", max_tokens=6) == model.ask(picture(1), "what?", max_tokens=6)


def test_q37_learning_and_painting_start_with_the_same_word(qwen3_siglip2):
    prompts = qwen3_siglip2.prompts
    learned, asked = (prompts.painting("a red cat", 4, learning=each).ids for each in (True, False))
    assert learned == asked
    assert asked[-5:] == (prompts.tokenizer.id_of("[IMG]"), *[prompts.tokenizer.id_of("<|image_pad|>")] * 4)
    shown = prompts.conversation([Turn("user", (picture(1), "what?"))], 16)
    assert shown.ids.count(prompts.tokenizer.id_of("<image>")) == 16


@torch.no_grad()
def test_q37_a_batch_may_lack_pictures_to_read_or_to_make(qwen3_siglip2):
    """In the original a batch without one of them leaves weights without gradients, or crashes."""
    for samples in ([to_answer(0), to_answer(1)], [to_paint(0)], [to_paint(0), to_answer(0)]):
        batch = Batch(qwen3_siglip2, samples)
        found = {**Paint().build()(batch, torch.Generator()), **Answer().build()(batch, torch.Generator())}
        wanted = {"paint" if each.picture_to_make() is not None else "answer" for each in samples}
        assert set(found) == wanted
        assert all(each.isfinite() for each in found.values())
