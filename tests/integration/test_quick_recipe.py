"""The quick recipe, through all of its stages: what it learns must beat what needs no learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import diptych
from diptych.eval.run import evaluate
from diptych.eval.score import Score
from diptych.spec.recipe import Recipe, Stage
from diptych.spec.suite import Suite
from diptych_emoji.metrics import Questions


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Train once; keep the answers' logits from before the generate stage."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("quick")
    recipe = diptych.read_spec("emoji-quick-recipe", Recipe)
    before: dict[str, torch.Tensor] = {}
    model = diptych.build(recipe.model, seed=recipe.seed)

    def remember(stage: Stage, step: int) -> bool:
        if stage.name == "decode" and step == stage.steps:
            before.update({name: value.clone() for name, value in model.parts.state_dict().items()})
        return False

    diptych.train(recipe, out, model=model, quiet=True, stop_after=remember)
    loaded = diptych.load(out / "model")
    suite = diptych.read_spec("emoji-quick-suite", Suite)
    return {"model": loaded, "before": before, "out": Path(out), "scores": {s.name: s for s in evaluate(loaded, suite)}}


def beats(score: Score, baseline: str, margin: float) -> bool:
    return score.value >= score.baselines[baseline] + margin


def test_it_answers_better_than_a_blind_guesser(trained: dict[str, Any]) -> None:
    assert beats(trained["scores"]["questions"], "blind", 0.1)
    assert beats(trained["scores"]["questions/colour"], "blind", 0.4)


def test_its_decoder_draws_what_the_judge_recognises(trained: dict[str, Any]) -> None:
    assert beats(trained["scores"]["reconstruction"], "floor", 0.3)


def test_it_paints_better_than_chance(trained: dict[str, Any]) -> None:
    assert beats(trained["scores"]["painting"], "floor", 0.1)


def test_learning_to_paint_leaves_what_answers_bit_for_bit(trained: dict[str, Any]) -> None:
    after = trained["model"].parts.state_dict()
    frozen = [name for name in after if name.startswith(("backbone", "vision", "understand"))]
    assert frozen
    assert all(torch.equal(after[name], trained["before"][name]) for name in frozen)


def test_answers_do_not_depend_on_the_painter(trained: dict[str, Any]) -> None:
    metric = Questions(split="train", only="colors", count=5).build()
    first = metric.score(trained["model"], 3)
    with torch.no_grad():
        for parameter in trained["model"].parts.generate.parameters():
            parameter.zero_()
    assert metric.score(trained["model"], 3) == first
