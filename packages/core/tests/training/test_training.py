"""Training: it learns, it resumes bit for bit, what is frozen stays, and what cannot work is said before it starts."""

import json

import numpy as np
import pytest
import torch
import yaml
from attrs import evolve
from core_cases.small import HF, MODEL, RECIPE, model_data, model_spec, recipe
from core_cases.text import TiedText
from torch import nn

import diptych
from diptych.data.mixture import Mixture
from diptych.data.squares import Squares
from diptych.errors import CheckpointError, DataError, OutputError, SpecError
from diptych.objectives.specs import Paint
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.recipe import Recipe, Stage
from diptych.spec.structure import structure
from diptych.training.optimiser import MovingAverage, choose_trained
from diptych.training.run import TrainingStoppedError, train
from diptych.training.state import Progress, read_optimiser, save_state


def weights(model):
    return {key: value.clone() for key, value in model.parts.state_dict().items()}


def changed(before, after):
    """Return the two-part slots in which a tensor differs."""
    return {".".join(key.split(".")[:2]) for key in before if not torch.equal(before[key], after[key])}


# -- resume -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["plain", "hf"])
@pytest.mark.parametrize("stops", [[1], [2, 4, 5], [3], [7]], ids=str)
def test_stopping_and_going_on_changes_no_bit(tmp_path, stops, backbone):
    data = merge(model_data(), HF) if backbone == "hf" else model_data()
    spec = structure(data, ModelSpec)
    whole = train(recipe(), tmp_path / "whole", model=spec, quiet=True)
    for stop in [*stops, None]:
        done = {"decode": 0, "paint": 3}

        def at(stage, step, stop=stop, done=done):
            return done[stage.name] + step == stop

        pieces = train(recipe(), tmp_path / "pieces", model=spec, quiet=True, stop_after=at)
    assert changed(weights(whole), weights(pieces)) == set()
    a, b = ((tmp_path / each / "model" / "model.safetensors").read_bytes() for each in ("whole", "pieces"))
    assert a == b


def test_stopping_after_the_last_step_of_a_stage_stops_before_the_next(tmp_path):
    train(
        recipe(), tmp_path / "out", model=model_spec(), quiet=True, stop_after=lambda stage, step: step == stage.steps
    )
    assert not (tmp_path / "out" / "model").exists()
    assert json.loads((tmp_path / "out" / "state" / "progress.json").read_text())["stage"] == 1
    train(
        recipe(), tmp_path / "out", model=model_spec(), quiet=True, stop_after=lambda stage, step: step == stage.steps
    )
    assert diptych.load(tmp_path / "out" / "model")


def test_the_moving_average_goes_on_where_it_lies(tmp_path):
    model = diptych.build(model_spec())
    trained = dict(model.parts.decoder.named_parameters())
    optimiser = torch.optim.AdamW(trained.values())
    average = MovingAverage(trained, 0.9)
    average.update()
    stored = {name: each + 1 for name, each in average.average.items()}
    before, average.average = average.average, stored
    save_state(tmp_path / "state", Progress(0, 1, "x"), model.parts, nn.ModuleDict(), optimiser, average)
    average.average = before
    read_optimiser(tmp_path / "state", nn.ModuleDict(), optimiser, average)
    for name, each in before.items():
        assert average.average[name] is each  # on the device of the weights, wherever the file was read to
        assert torch.equal(each, stored[name])


def test_a_run_that_is_over_is_not_done_again(tmp_path):
    first = train(recipe(), tmp_path / "out", model=model_spec(), quiet=True)
    lines = (tmp_path / "out" / "log.jsonl").read_text()
    again = train(recipe(), tmp_path / "out", model=model_spec(), quiet=True)
    assert changed(weights(first), weights(again)) == set()
    assert (tmp_path / "out" / "log.jsonl").read_text() == lines


def test_another_recipe_does_not_go_on_from_here(tmp_path):
    train(recipe(), tmp_path / "out", model=model_spec(), quiet=True)
    with pytest.raises(CheckpointError, match="belongs to another recipe"):
        train(evolve(recipe(), seed=1), tmp_path / "out", model=model_spec(), quiet=True)


def test_a_damaged_state_is_named(tmp_path):
    train(recipe(), tmp_path / "out", model=model_spec(), quiet=True, stop_after=lambda *_: True)
    path = tmp_path / "out" / "state" / "progress.json"
    for content in ("", "[]", "{}"):
        path.write_text(content)
        with pytest.raises(CheckpointError, match="is damaged"):
            train(recipe(), tmp_path / "out", model=model_spec(), quiet=True)


# -- what trains --------------------------------------------------------------------------------------------------


def test_frozen_parts_stay_bit_for_bit(tmp_path):
    model = diptych.build(model_spec())
    before = weights(model)
    one = evolve(recipe(), stages=recipe().stages[:1])
    train(one, tmp_path / "out", model=model, quiet=True)
    assert changed(before, weights(model)) == {"decode.decoder"}


def test_a_slot_inside_a_part_can_train_alone(tmp_path):
    model = diptych.build(model_spec())
    before = weights(model)
    (_, paint) = recipe().stages
    train(
        evolve(recipe(), stages=(evolve(paint, train=("generate.features.condition",), ema=0.0),)),
        tmp_path / "out",
        model=model,
        quiet=True,
    )
    after = weights(model)
    assert [key for key in before if not torch.equal(before[key], after[key])] == [
        "generate.features.condition.queries"
    ]


def test_only_trained_parts_are_in_training_mode():
    model = diptych.build(model_spec())
    trained = choose_trained(model.parts, evolve(recipe().stages[0], train=("decode",)))
    assert all(name.startswith("decode.") for name in trained)
    assert model.parts.decoder.training
    assert not model.parts.backbone.training


def test_unknown_slots_are_named_before_anything_trains(tmp_path):
    stages = recipe().stages
    wrong = evolve(stages[1], train=("generate", "bakcbone"), lr_factors={"generate.features.haed": 0.1})
    with pytest.raises(SpecError) as caught:
        train(evolve(recipe(), stages=(stages[0], wrong)), tmp_path / "out", model=model_spec(), quiet=True)
    first, second = caught.value.problems
    assert (first.path, second.path) == ("stages.paint.train", "stages.paint.lr_factors")
    assert "'bakcbone' holds no weights; did you mean 'backbone'?; at the top: backbone, decode" in first.message
    assert "did you mean 'generate.features.head'?" in second.message
    assert not (tmp_path / "out" / "state").exists()


def test_unknown_sources_and_impossible_mixtures_are_named_before_anything_trains(tmp_path):
    stages = recipe().stages
    for mixture, error in [({"paint": 0}, DataError), ({"piant": 1}, SpecError)]:
        wrong = evolve(recipe(), stages=(stages[0], evolve(stages[1], mixture=mixture)))
        with pytest.raises(error):
            train(wrong, tmp_path / "out", model=model_spec(), quiet=True)
        assert not (tmp_path / "out" / "state").exists()


@pytest.mark.parametrize("name", ["a.b", "", "two words"])
def test_a_loss_needs_a_name_that_can_be_one(tmp_path, name):
    losses = {name: {"objective": {"type": "reconstruct"}}}
    stages = [{**RECIPE["stages"][0], "losses": losses}]
    with pytest.raises(SpecError, match="is no name: use letters"):
        train(structure({**RECIPE, "stages": stages}, Recipe), tmp_path, model=model_spec(), quiet=True)


@pytest.mark.parametrize(
    ("model", "loss", "says"),
    [
        (
            {},
            {"type": "paint", "step": "featurs"},
            "objective.step: no generate step 'featurs'; did you mean 'features'?",
        ),
        ({"generate": [], "decode": None}, {"type": "paint"}, "objective: 'tiny' has nothing to train with it"),
        ({"decode": None}, {"type": "reconstruct"}, "objective: it trains `decode.decoder`, which this model has not"),
        ({}, {"type": "autoencode", "part": "eyes"}, "objective.part: 'eyes' is not under `vision`"),
        ({}, {"type": "autoencode", "part": "eye"}, "objective.part: 'eye' is an encoder, which decodes nothing"),
        ({}, {"type": "answer"}, "objective: it trains through the text head"),
    ],
)
def test_losses_that_the_model_has_no_use_for_are_told_before_anything_trains(tmp_path, model, loss, says):
    last = {**RECIPE["stages"][1], "losses": {"own": {"objective": loss}}, "train": ["backbone"]}
    first = {**last, "name": "first", "losses": {"own": {"objective": {"type": "paint"}}}}
    with pytest.raises(SpecError) as caught:
        train(structure({**RECIPE, "stages": [first, last]}, Recipe), tmp_path, model=model_spec(**model), quiet=True)
    assert f"stages.paint.losses.own.{says}" in str(caught.value)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("min_lr", {"min_lr": -1.0}),
        ("lr_factors", {"lr_factors": {"backbone": -1.0}}),
        ("betas", {"betas": [0.9, 1.5]}),
        ("ema", {"ema": 1.5}),
        ("fit", {"fit": 0}),
        ("losses.r.objective.share", {"losses": {"r": {"objective": {"type": "reconstruct", "share": 0.0}}}}),
    ],
)
def test_impossible_values_of_a_stage_are_named(where, change):
    with pytest.raises(SpecError, match=rf"stages\.decode\.{where}: "):
        structure({**RECIPE, "stages": [{**RECIPE["stages"][0], **change}]}, Recipe)


def test_a_seed_that_no_generator_takes_is_named():
    for seed in (-1, 2**29):
        with pytest.raises(SpecError, match="seed: "):
            recipe(seed=seed)


def test_stages_have_names_of_their_own(tmp_path):
    twice = evolve(recipe(), stages=(recipe().stages[0], evolve(recipe().stages[1], name="decode")))
    with pytest.raises(SpecError, match="2 stages have the name 'decode'"):
        train(twice, tmp_path, model=model_spec(), quiet=True)


def test_losses_that_find_nothing_to_learn_say_so(tmp_path):
    stage = evolve(recipe().stages[1], losses={"answer": recipe().stages[1].losses["paint"]}, mixture={"ask": 1})
    asks = evolve(recipe(), data={"ask": Squares(16, "ask")}, stages=(stage,))
    with pytest.raises(TrainingStoppedError, match="stage 'paint', step 1: none of its losses found anything"):
        train(asks, tmp_path / "out", model=model_spec(), quiet=True)


def test_a_stage_whose_losses_reach_nothing_that_it_trains_says_so(tmp_path):
    stage = evolve(recipe().stages[1], train=("decode",))
    with pytest.raises(
        TrainingStoppedError, match=r"trains decode, but none of that has a part in its losses \(paint\)"
    ):
        train(evolve(recipe(), stages=(stage,)), tmp_path / "out", model=model_spec(), quiet=True)


def test_a_loss_that_is_no_number_stops_and_leaves_the_last_state(tmp_path):
    model = diptych.build(model_spec())
    quick = evolve(recipe(), stages=recipe().stages[:1], save_every=1)
    train(quick, tmp_path / "out", model=model, quiet=True, stop_after=lambda _, step: step == 1)
    state = (tmp_path / "out" / "state" / "parts.safetensors").read_bytes()
    with torch.no_grad():
        poisoned = diptych.build(model_spec())
    poisoned.parts.decoder.forward = lambda features, generators=None: (
        features.mean() * float("nan") + torch.zeros(len(features), 3, 16, 16)
    )
    with pytest.raises(TrainingStoppedError, match="reconstruct is no longer a number"):
        train(quick, tmp_path / "out", model=poisoned, quiet=True)
    assert (tmp_path / "out" / "state" / "parts.safetensors").read_bytes() == state


def test_an_unwritable_place_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        train(recipe(), tmp_path / "file" / "out", model=model_spec(), quiet=True)


def test_a_recipe_names_its_model(tmp_path):
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(MODEL))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    model = train(tmp_path / "recipe.yaml", tmp_path / "out", quiet=True)
    loaded = diptych.load(tmp_path / "out" / "model")
    assert changed(weights(model), weights(loaded)) == set()
    (tmp_path / "further.yaml").write_text(yaml.safe_dump({**RECIPE, "model": "out/model"}))
    further = train(tmp_path / "further.yaml", tmp_path / "more", quiet=True)
    assert "decode.decoder" in changed(weights(model), weights(further))


def test_a_model_that_is_given_takes_the_place_of_the_one_named(tmp_path):
    given = diptych.build(model_spec(), seed=7)
    given.save(tmp_path / "given")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "model": "not/there"}))
    trained = train(tmp_path / "recipe.yaml", tmp_path / "out", model=str(tmp_path / "given"), quiet=True)
    assert "vision.eye" not in changed(weights(given), weights(trained))


def test_initial_weights_that_a_given_spec_names_are_read(tmp_path):
    spec = model_spec(backbone={**HF["backbone"], "weights": str(tmp_path / "none")})
    with pytest.raises(CheckpointError, match="none' cannot be read as a Qwen3ForCausalLM"):
        train(recipe(), tmp_path / "out", model=spec, quiet=True)


def test_the_log_has_the_mean_of_each_loss(tmp_path):
    train(recipe(), tmp_path / "out", model=model_spec(), quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"], list(line["losses"])) for line in lines] == [
        ("decode", 3, ["reconstruct"]),
        ("paint", 4, ["paint"]),
    ]


def test_the_global_random_state_is_left_alone(tmp_path):
    before = torch.get_rng_state()
    train(recipe(), tmp_path / "out", model=model_spec(), quiet=True)
    assert torch.equal(before, torch.get_rng_state())


# -- learning -----------------------------------------------------------------------------------------------------


def test_a_tiny_model_learns_to_paint_squares(tmp_path):
    """The painted squares come closer to the wanted ones than the best picture that knows nothing of the prompt."""
    stages = [
        {**RECIPE["stages"][0], "steps": 150, "batch": 16, "lr": 1e-2},
        {**RECIPE["stages"][1], "steps": 350, "batch": 16, "lr": 1e-2, "ema": 0},
    ]
    read = structure({**RECIPE, "stages": stages}, Recipe)
    model = train(read, tmp_path / "out", model=model_spec(backbone={"width": 32}), quiet=True)
    samples = [Squares(16, seed=1).build().sample(index) for index in range(64)]
    truth = np.stack([sample.picture() for sample in samples]) / 255.0
    painted = np.stack([np.asarray(each) for each in model.generate([s.turns[0].text() for s in samples])]) / 255.0
    error = np.square(painted - truth).mean()
    blind = np.square(truth.mean(0) - truth).mean()
    shuffled = np.square(np.roll(painted, 1, 0) - truth).mean()
    assert error < 0.5 * blind
    assert error < 0.5 * shuffled


def test_two_losses_are_summed_with_their_weights(tmp_path):
    def trained(weight):
        data = {**RECIPE["stages"][0], "steps": 1, "warmup": 0, "clip": 1e9}
        data["losses"] = {"r": {"objective": {"type": "reconstruct"}, "weight": weight}}
        model = diptych.build(model_spec())
        before = weights(model)
        train(structure({**RECIPE, "stages": [data]}, Recipe), tmp_path / str(weight), model=model, quiet=True)
        return changed(before, weights(model))

    assert trained(0.0) <= {"decode.decoder"}
    assert trained(1.0) == {"decode.decoder"}


def test_a_mixture_of_one_seed_is_the_same_for_every_run():
    sources = {"paint": Squares(16).build()}
    first, again = (Mixture(sources, {"paint": 1}, 1000).batch(3, 4) for _ in range(2))
    assert all(np.array_equal(a.picture(), b.picture()) for a, b in zip(first, again, strict=True))


def test_every_step_has_randomness_of_its_own_that_resuming_repeats(tmp_path, monkeypatch):
    drawn: list[float] = []

    class Draws(nn.Module):
        def forward(self, batch, generator):
            drawn.append(torch.rand(1, generator=generator).item())
            return {"paint": torch.zeros((), requires_grad=True)}

    monkeypatch.setattr(Paint, "build", lambda _: Draws())
    paint = recipe().stages[1]
    twice = evolve(recipe(), stages=(paint, evolve(paint, name="again")))
    train(twice, tmp_path / "whole", model=model_spec(), quiet=True)
    whole = drawn.copy()
    assert len(set(whole)) == len(whole) == 8
    drawn.clear()
    for stop in (3, 99):
        train(
            twice, tmp_path / "cut", model=model_spec(), quiet=True, stop_after=lambda _, step, stop=stop: step == stop
        )
    assert drawn == whole


@pytest.mark.parametrize("stops", [[], [2], [4], [6]], ids=str)
def test_what_an_objective_learned_goes_on_in_a_stage_that_has_the_same_one(tmp_path, monkeypatch, stops):
    seen: list[float] = []

    class Learns(nn.Module):
        def __init__(self):
            super().__init__()
            self.own = nn.Parameter(torch.zeros(()))

        def forward(self, batch, generator):
            seen.append(self.own.item())
            return {"paint": (self.own - 1) ** 2}

    monkeypatch.setattr(Paint, "build", lambda _: Learns())
    paint = evolve(recipe().stages[1], warmup=0)
    other = evolve(paint, name="other", losses={"paint": evolve(paint.losses["paint"], objective=Paint(draws=2))})
    run = evolve(recipe(), stages=(paint, evolve(paint, name="again"), other))
    for stop in [*stops, 99]:
        count = len(seen)
        train(
            run,
            tmp_path / "out",
            model=model_spec(),
            quiet=True,
            stop_after=lambda *_, stop=stop, count=count: len(seen) - count == stop,
        )
    assert seen[:8] == sorted(set(seen[:8]))  # it falls back to nothing neither between stages nor on resuming
    assert seen[8] == 0


def test_stages_are_data():
    assert isinstance(recipe().stages[0], Stage)
    assert isinstance(TiedText(), nn.Module)
