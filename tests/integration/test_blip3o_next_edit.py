"""BLIP3o-NEXT-edit, from reading: a tiny checkpoint in that layout imports, edits, trains, and exports unchanged.

There is no recording of the original. What is compared is computed here from the checkpoint's own tensors.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from integration_cases.spoiled import config, refused
from safetensors.torch import load_file, save_file
from torch.nn import functional

import diptych
from diptych.data.sample import Request, Sample
from diptych.errors import CheckpointError, RequestError
from diptych.families.blip3o_next.edit_importer import Blip3oNextEdit
from diptych.importing.bring import import_checkpoint
from diptych.importing.send import export_checkpoint
from diptych.objectives.batch import Batch
from diptych.objectives.paint import PaintObjective
from diptych.objectives.specs import Paint
from diptych.spec.part import replace_part
from diptych.spec.recipe import Stage, Weighted
from diptych.training.optimiser import choose_trained
from diptych.writing import WholeRows
from diptych_heads.samplers.specs import Euler


BOTH = {"use_und_image_vae": True, "use_und_image_vae_as_noise": True, "only_use_und_image_vae_as_noise": False}
ATTENDS = {**BOTH, "use_und_image_vae_as_noise": False}
BESIDE = {**BOTH, "use_und_image_vae": True, "only_use_und_image_vae_as_noise": True}
WAYS = {"both": BOTH, "attends": ATTENDS, "beside": BESIDE}
LATENTS = "model.und_image_vae_connector"


def picture(seed, size=(32, 32)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


INSTRUCTIONS = ["make it blue", "x", "put a hat on the dog that stands at the left, and take the cat away", "café", "b"]
EDITS = [Request(text, (picture(seed),)) for seed, text in enumerate(INSTRUCTIONS)]


def random(*shape, seed):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def folders(next_folder, tmp_path_factory):
    """The tiny BLIP3o-NEXT with a connector for latents, under the flags of each way of editing."""
    made, tensors = {}, load_file(next_folder / "model.safetensors")
    shapes = {"0.weight": (24, 8), "0.bias": (24,), "2.weight": (24, 24), "2.bias": (24,), "3.weight": (24,)}
    tensors |= {f"{LATENTS}.{name}": random(*shape, seed=len(name)) for name, shape in shapes.items()}
    for way, flags in WAYS.items():
        made[way] = Path(shutil.copytree(next_folder, tmp_path_factory.mktemp(way) / "theirs"))
        own = {**tensors, "model.tar_siglip_features_connector.0.weight": random(24, 48, seed=1)}
        save_file(own if way == "attends" else tensors, made[way] / "model.safetensors", {"format": "pt"})
        config(made[way], **flags, use_tar_siglip_features=False)
    return made


@pytest.fixture(scope="module")
def imported(folders):
    made = {}
    for way, folder in folders.items():
        made[way] = folder.parent / "ours"
        import_checkpoint("blip3o-next-edit", folder, made[way])
    return made


def loaded(folder, dtype=torch.float64):
    model = diptych.load(folder, dtype=dtype)
    model.spec = replace_part(model.spec, "generate.latents.sampler", Euler(steps=3))
    return model


@pytest.fixture(scope="module")
def models(imported):
    return {way: loaded(folder) for way, folder in imported.items()}


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_what_is_exported_is_what_was_imported(folders, imported, way, tmp_path):
    sent = export_checkpoint("blip3o-next-edit", imported[way], tmp_path / "back")
    before, after = load_file(folders[way] / "model.safetensors"), load_file(tmp_path / "back" / "model.safetensors")
    assert before.keys() - after.keys() == sent.skipped.keys()
    assert not after.keys() - before.keys()
    assert all(torch.equal(after[name], before[name]) for name in after)
    behind = {name for name in sent.skipped if "vision_tower" not in name}
    unused = {"both": "nothing", "attends": "model.tar_siglip_features_connector.", "beside": f"{LATENTS}."}[way]
    assert behind == {name for name in before if name.startswith(unused)}
    written, said = (json.loads((each / "config.json").read_text()) for each in (tmp_path / "back", folders[way]))
    assert written.pop("ta_tok").items() >= said.pop("ta_tok").items()
    assert written == said


def test_what_is_refused(folders, next_folder, imported, next_imported, tmp_path):
    folder = Path(shutil.copytree(folders["both"], tmp_path / "theirs"))
    assert "is read by `blip3o-next-edit`" in refused("blip3o-next", folder)
    config(folder, use_tar_siglip_features=True)
    assert "features of TA-Tok's encoder" in refused("blip3o-next-edit", folder)
    config(folder, use_tar_siglip_features=False, **dict.fromkeys(BOTH, False))
    assert "without them it is read by `blip3o-next`" in refused("blip3o-next-edit", folder)
    with pytest.raises(CheckpointError, match="came from the layout `blip3o-next`"):
        export_checkpoint("blip3o-next-edit", next_imported, tmp_path / "back")
    with pytest.raises(CheckpointError, match="paint from their latents"):
        Blip3oNextEdit().config(diptych.load(next_imported).spec, {})
    with pytest.raises(CheckpointError, match="blip3o-next-edit"):
        export_checkpoint("blip3o-next", imported["both"], tmp_path / "back")
    assert not (tmp_path / "back").exists()


# -- what it computes --------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_the_picture_stands_in_the_prompt_as_words(models):
    model, wish = models["both"], Request("make it blue", (picture(0), picture(1)))
    sequences = model.painting([wish], "ids")
    ids = sequences.ids[0].tolist()
    codes = torch.cat([model.encode("tokens", model.pixels("tokens", [each])) for each in wish.pictures]).flatten()
    text = model.tokenizer.decode([each for each in ids if each < 443])
    asked = "Please edit these 2 images according to the following instruction: make it blue.\n"
    assert asked in text
    opened, closed = (model.tokenizer.id_of(each) for each in ("<|vision_start|>", "<|vision_end|>"))
    at = ids.index(opened) + 1
    assert ids[at : at + 33] == [model.tokenizer.id_of("<|image_pad|>")] * 32 + [closed]
    words = sequences.ids.clone()
    words[0, at : at + 32] = codes + 470
    embeds, mask = model.opening(sequences, "ids")
    assert torch.equal(embeds, model.parts.backbone.embed(words))
    assert mask.all()


@torch.inference_mode()
def test_the_condition_is_states_and_latents_behind_their_connectors(models, folders):
    model, tensors = models["both"], load_file(folders["both"] / "model.safetensors")
    written = torch.arange(32).reshape(2, 16)
    left = {"ids": model.written(EDITS[:2], "ids", written)}
    condition, mask = model.conditions(model.painting(EDITS[:2], "latents"), "latents", left)
    latents = model.encode("vae", model.pixels("vae", [picture(0), picture(1)]))

    def connected(x, name):
        def of(kind):
            return tensors[f"{name}.{kind}"].double()

        x = functional.gelu(functional.linear(x, of("0.weight"), of("0.bias")), approximate="tanh")
        x = functional.linear(x, of("2.weight"), of("2.bias"))
        return functional.rms_norm(x, (24,), of("3.weight"), 1e-5)

    wanted = [connected(left["ids"], "model.diffusion_connector"), connected(latents, LATENTS)]
    torch.testing.assert_close(condition, torch.cat(wanted, 1), atol=1e-12, rtol=0)
    assert mask.all()
    assert condition.shape == (2, 17 + 64, 24)


@torch.inference_mode()
def test_the_network_sees_the_clean_latents_at_the_right_and_nothing_is_null_but_the_condition(models):
    model, seen = models["both"], []
    network = model.parts.step("latents")["head"].network
    hook = network.register_forward_pre_hook(lambda _, given: seen.append((given[0], given[2].caption)))
    made = model.features(EDITS[:2], [1, 2])
    hook.remove()
    clean = model.encode("vae", model.pixels("vae", [picture(0), picture(1)])).transpose(1, 2).unflatten(2, (8, 8))
    assert len(seen) == 3
    for grid, caption in seen:
        assert grid.shape == (4, 8, 8, 16)
        assert torch.equal(grid[:, :, :, 8:], torch.cat([clean, clean]))
        assert (caption[2:] - caption[2:, :1]).abs().max() == 0  # zeros behind the connectors
    assert made.shape == (2, 64, 8)


# -- edits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@torch.inference_mode()
def test_a_ragged_batch_is_its_edits_one_by_one(models, way):
    model = models[way]
    asked = EDITS
    if way == "attends":  # any number of pictures, none included
        asked = [*EDITS[:2], "a red cat", Request("join them", (picture(5), picture(6, (48, 20)))), EDITS[4]]
    together = model.features(asked, range(5))
    alone = torch.cat([model.features([wish], [seed]) for seed, wish in enumerate(asked)])
    assert (together - alone).abs().max() <= 1e-9
    other = model.features([Request(INSTRUCTIONS[0], (picture(9),))], [0])
    assert (other - together[:1]).abs().max() > 1e-3


def test_a_model_that_paints_beside_one_picture_needs_one(models):
    with pytest.raises(RequestError, match="a request has none"):
        models["both"].generate("a red cat")
    with pytest.raises(RequestError, match="a request has 2"):
        models["both"].edit([picture(0), picture(1)], "join them")
    with pytest.raises(RequestError, match="act through guidance"):
        models["both"].edit(picture(0), "x", negative="y")
    assert len(models["attends"].generate("a red cat")) == 1


def test_what_is_saved_edits_with_the_same_bits(imported, tmp_path):
    model = diptych.load(imported["both"])
    model.spec = replace_part(model.spec, "generate.latents.sampler", Euler(steps=2))
    model.save(tmp_path / "again")
    again = diptych.load(tmp_path / "again")
    assert torch.equal(model.features(EDITS[:1], [3]), again.features(EDITS[:1], [3]))
    pictures = [each.edit(picture(0), "make it blue", n=2, seed=4) for each in (model, again)]
    assert [np.asarray(each).tobytes() for each in pictures[0]] == [np.asarray(each).tobytes() for each in pictures[1]]
    assert [each.size for each in pictures[0]] == [(32, 32)] * 2


@pytest.mark.parametrize("way", WAYS)
def test_edits_in_half_precision(imported, way):
    model = loaded(imported[way], dtype=torch.bfloat16)
    (made,) = model.edit(picture(0), "make it blue")
    assert np.asarray(made).std() > 0


# -- training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numerics", ["clean", "reference"])
def test_both_steps_train_from_samples(folders, numerics, tmp_path):
    import_checkpoint("blip3o-next-edit", folders["both"], tmp_path / "ours", numerics=numerics)
    model = diptych.load(tmp_path / "ours")
    network = "generate.latents.head.network.transformer"
    own = [f"{network}.{each}" for each in ("caption_projection", "caption_norm", "patch_embed", "proj_out")]
    paths = ("backbone", "generate.latents.condition", *own)
    stage = Stage("edit", train=paths, mixture={}, losses={"ids": Weighted(Paint())}, steps=1)
    trained = choose_trained(model.parts, stage)
    samples = [Sample.edit(text, [picture(seed)], picture(seed + 10)) for seed, text in enumerate(INSTRUCTIONS[:3])]
    batch, generator = Batch(model, samples), torch.Generator().manual_seed(1)
    losses = {**PaintObjective("ids", 1)(batch, generator), **PaintObjective("latents", 2)(batch, generator)}
    sum(losses.values()).backward()
    grads = {name: each.grad for name, each in model.parts.named_parameters() if each.grad is not None}
    assert grads.keys() == trained.keys()
    wanted = [
        f"generate.latents.condition.of.{part}.connector.{index}.weight" for part in (0, 1) for index in (0, 2, 3)
    ]
    wanted += [f"{network}.patch_embed.proj.weight", f"{network}.proj_out.weight"]
    for name in [*wanted, "backbone.model.model.layers.0.mlp.up_proj.weight"]:
        assert grads[name].abs().max() > 0, name


def test_whole_texts_hold_the_picture_and_do_not_learn_it(folders, tmp_path):
    import_checkpoint("blip3o-next-edit", folders["both"], tmp_path / "ours", numerics="reference")
    model = diptych.load(tmp_path / "ours", dtype=torch.float64)
    made = torch.arange(32).reshape(2, 16)
    rows = WholeRows.of(model, EDITS[:2], "ids", made)
    assert (rows.mask & ~rows.learned).sum(1).tolist() == [16, 16]
    words, seen = rows.ids.clone(), model.encode("tokens", model.pixels("tokens", [picture(0), picture(1)])) + 470
    for row, (_, start, length) in enumerate(rows.images):
        words[row, start : start + length] = seen[row]
    states = model.parts.backbone(model.parts.backbone.embed(words) * rows.mask[..., None], rows.mask)
    assert torch.equal(rows.states(model), states)
    logits = model.parts.text.logits(states[:, :-1], model.parts.backbone)
    labels = torch.where(rows.learned, rows.ids, -100)[:, 1:]
    wanted = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(rows.loss(model), wanted)


# -- the named spec ----------------------------------------------------------------------------------------------------


def test_the_named_spec_is_what_the_layout_says(tmp_path):
    from diptych.importing.bring import read_foreign
    from diptych.importing.facts import TensorFacts
    from diptych.importing.importer import Foreign
    from diptych.importing.plan import backwards, make_plan
    from diptych.importing.send import comparable
    from diptych.importing.wanted import wanted_tensors
    from diptych.spec.files import read_spec
    from diptych.spec.wiring import resolve

    importer, named = Blip3oNextEdit(), resolve(read_spec("blip3o-next-edit")).spec
    wanted = wanted_tensors(named)
    head = evolve(named.generate[0].head, first_id=151_674, null_id=151_643)
    named = replace_part(named, "generate.ids.head", head)
    flags = importer.config(named, {})
    assert {name: flags[name] for name in BOTH} == BOTH
    back = make_plan(backwards(importer.rules(Foreign(flags, {}))), wanted, None)
    assert not back.problems
    shapes = {each.name: each.facts.shape for each in back.made if each.name.startswith(LATENTS)}
    assert shapes == {
        f"{LATENTS}.0.weight": (2304, 32),
        f"{LATENTS}.0.bias": (2304,),
        f"{LATENTS}.2.weight": (2304, 2304),
        f"{LATENTS}.2.bias": (2304,),
        f"{LATENTS}.3.weight": (2304,),
    }
    tensors = {each.name: TensorFacts("BF16", each.facts.shape) for each in back.made}
    tower = "model.vision_tower.vision_tower.encoder.encoder.layers.26"
    tensors |= {f"{tower}.{each}": TensorFacts("BF16", (1,)) for each in ("a.b", "c.d")}
    foreign = Foreign(flags, tensors, tmp_path)
    (tmp_path / "tokenizer.json").touch()
    spec = resolve(read_foreign(importer, foreign, tmp_path)).spec
    same = [
        {key: value for key, value in comparable(importer.settled(each)).items() if ".weights" not in key}
        for each in (spec, named)
    ]
    assert same[0] == same[1]
    assert not make_plan(importer.rules(foreign), foreign.tensors, wanted).problems
    assert sum(each.size // each.width for name, each in wanted.items() if "latents.condition" in name) == 15_422_976
