"""The optimiser: its learning rate, its groups, the moving average."""

import pytest
import torch
from attrs import evolve
from core_cases.examples import examples
from core_cases.small import model_spec, recipe
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import diptych
from diptych.training.optimiser import MovingAverage, choose_trained, make_optimiser, set_lr


def stage(**changes):
    read = recipe().stages[0]
    return evolve(read, **{"steps": 100, "warmup": 10, "lr": 2.0, "min_lr": 0.1, **changes})


@pytest.mark.parametrize(
    ("lr_schedule", "levels"),
    [("cosine", {0: 0.2, 9: 2.0, 10: 2.0, 55: 1.1}), ("linear", {55: 1.1, 10: 2.0}), ("constant", {99: 2.0})],
)
def test_the_learning_rate_warms_up_and_falls(lr_schedule, levels):
    optimiser = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1)
    optimiser.param_groups[0]["factor"] = 0.5
    for step, level in levels.items():
        assert set_lr(optimiser, stage(lr_schedule=lr_schedule), step) == pytest.approx(level)
        assert optimiser.param_groups[0]["lr"] == pytest.approx(level / 2)


@given(st.sampled_from(["cosine", "linear", "constant"]), st.integers(1, 50), st.integers(0, 60))
@examples(60)
def test_the_learning_rate_is_never_negative_nor_above_its_peak(lr_schedule, steps, warmup):
    optimiser = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1)
    optimiser.param_groups[0]["factor"] = 1.0
    for step in range(steps):
        assert 0 <= set_lr(optimiser, stage(lr_schedule=lr_schedule, steps=steps, warmup=warmup), step) <= 2.0


def test_decay_is_for_matrices_and_factors_for_their_slots():
    model = diptych.build(model_spec())
    own = evolve(stage(), train=("decode", "backbone"), lr_factors={"backbone": 0.1}, weight_decay=0.3)
    optimiser = make_optimiser(choose_trained(model.parts, own), own)
    facts = {id(p): (g["factor"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    for name, parameter in model.parts.named_parameters():
        if parameter.requires_grad:
            factor = 0.1 if name.startswith("backbone") else 1.0
            assert facts[id(parameter)] == (factor, 0.3 if parameter.dim() >= 2 else 0.0)


def test_of_several_factors_the_one_of_the_longest_path_counts():
    model = diptych.build(model_spec())
    for factors in ({"backbone": 0.1, "backbone.layers.0": 0.5}, {"backbone.layers.0": 0.5, "backbone": 0.1}):
        own = evolve(stage(), train=("backbone",), lr_factors=factors)
        optimiser = make_optimiser(choose_trained(model.parts, own), own)
        found = {id(p): g["factor"] for g in optimiser.param_groups for p in g["params"]}
        assert found[id(model.parts.backbone.layers[0].down.weight)] == 0.5
        assert found[id(model.parts.backbone.layers[1].down.weight)] == 0.1


def test_the_moving_average_follows_its_formula():
    parameter = nn.Parameter(torch.zeros(1))
    average, wanted = MovingAverage({"p": parameter}, 0.5), 0.0
    for count in range(1, 20):
        with torch.no_grad():
            parameter.fill_(count)
        average.update()
        decay = min(0.5, (1 + count) / (10 + count))
        wanted = decay * wanted + (1 - decay) * count
    average.apply()
    assert parameter.item() == pytest.approx(wanted, rel=1e-5)
