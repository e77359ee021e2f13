"""The pocket's spec and recipe, made tiny: every stage trains, and learning to paint leaves answers as they were."""

from itertools import pairwise

import attrs
import numpy as np
import pytest
import torch

import diptych
from diptych.data.sample import Turn
from diptych.spec.files import read_spec, write_spec
from diptych.spec.recipe import Recipe
from diptych.spec.wiring import resolve


SMALL = [
    "backbone.width=16",
    "backbone.layers=1",
    "backbone.heads=2",
    "backbone.mlp_width=24",
    "vision.eye.hidden_width=16",
    "vision.eye.depth=1",
    "vision.eye.heads=2",
    "vision.eye.project=6",
    "generate.features.head.network.hidden_width=16",
    "generate.features.head.network.layers=1",
    "generate.features.head.network.heads=2",
    "generate.features.sampler.steps=2",
    "decode.decoder.widths=[8, 8, 4]",
    "decode.decoder.blocks=[0, 1, 0]",
]


def tiny_recipe(model: str) -> Recipe:
    """The shipped recipe with two steps of two samples a stage."""
    recipe = read_spec("emoji-pocket-recipe", Recipe)
    stages = tuple(attrs.evolve(stage, steps=2, batch=2, warmup=1, fit=4) for stage in recipe.stages)
    return attrs.evolve(recipe, model=model, stages=stages)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train all stages once; keep weights and answers of the moment before each stage's end."""
    folder = tmp_path_factory.mktemp("pocket")
    write_spec(read_spec("emoji-pocket", overrides=SMALL), folder / "tiny.yaml")
    recipe = tiny_recipe(str(folder / "tiny.yaml"))
    model, seen, answers = diptych.build(recipe.model, seed=1), {}, {}

    def note(stage, step):
        if step == stage.steps:
            seen[stage.name] = {key: value.clone() for key, value in model.parts.state_dict().items()}
            talk = [[Turn("user", (picture(), "How many?"))], [Turn("user", ("Which one is red?",))]]
            with torch.inference_mode():
                features = model.reading_tokens(model.encode("eye", model.pixels("eye", [picture()])))
                batch = model.sequences([model.prompts.conversation(each, features.shape[1]) for each in talk])
                answers[stage.name] = model.parts.text.logits(model.states(batch, features), model.parts.backbone)
        return False

    diptych.train(recipe, folder / "run", model=model, quiet=True, stop_after=note)
    return {"folder": folder, "recipe": recipe, "seen": seen, "answers": answers, "model": model}


def test_the_shipped_spec_fits_and_stays_small():
    resolved = resolve(read_spec("emoji-pocket"))
    parameters = sum(each.numel() for each in diptych.build(resolved.spec).parts.parameters())
    assert parameters < 10_000_000  # 20 MB of float16


def test_every_stage_trains_what_it_says_and_nothing_else(run):
    names = [stage.name for stage in run["recipe"].stages]
    assert list(run["seen"]) == names
    for earlier, stage in pairwise(run["recipe"].stages):
        old, new = run["seen"][earlier.name], run["seen"][stage.name]
        changed = [key for key in old if not torch.equal(old[key], new[key])]
        assert changed, f"stage {stage.name} changed nothing"
        allowed = [*stage.train, "generate.features.normalise"]  # fitted before the stage that needs it
        allowed += earlier.train if earlier.ema else ()  # the average takes their place when the stage is over
        assert [key for key in changed if not key.startswith(tuple(f"{path}." for path in allowed))] == []


def test_answers_are_bit_identical_before_and_after_learning_to_paint(run):
    names = [stage.name for stage in run["recipe"].stages]
    place = names.index("generate")
    assert torch.equal(run["answers"][names[place - 1]], run["answers"]["generate"])


def test_it_is_saved_and_does_its_tasks(run):
    model = diptych.load(run["folder"] / "run" / "model")
    assert isinstance(model.ask(picture(), "How many?", max_tokens=4), str)
    together = model.generate(["a red heart", "two keys above a banana"], seed=3)
    alone = model.generate("two keys above a banana", seed=3)[0]
    assert np.abs(np.asarray(together[1], int) - np.asarray(alone, int)).max() <= 1
    assert len(model.reconstruct([picture()])) == 1


def test_features_do_not_depend_on_the_batch(run):
    model = diptych.load(run["folder"] / "run" / "model", dtype=torch.float64)
    prompts = ["a key", "two red hearts and a banana to the left of a yellow taxi", "x"]
    with torch.inference_mode():
        together = model.features(prompts, [1, 2, 3])
        alone = torch.cat([model.features([p], [s]) for p, s in zip(prompts, [1, 2, 3], strict=True)])
    assert (together - alone).abs().max() <= 1e-9


def test_stopping_within_any_stage_changes_no_bit(run):
    whole = run["model"].parts.state_dict()
    for name in ("understand", "generate"):
        model = diptych.build(run["recipe"].model, seed=1)
        folder = run["folder"] / name

        def stop(stage, step, name=name):
            return stage.name == name and step == 1

        diptych.train(run["recipe"], folder, model=model, quiet=True, stop_after=stop)
        again = diptych.train(
            run["recipe"], folder, model=diptych.build(run["recipe"].model, seed=2), quiet=True
        ).parts.state_dict()
        assert [key for key in whole if not torch.equal(whole[key], again[key])] == []
