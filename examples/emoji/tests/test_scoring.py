from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

import diptych
from diptych.eval.run import evaluate
from diptych.model import UnifiedModel
from diptych.spec.suite import Suite
from diptych_emoji.metrics import Diversity, Painting, Speed
from diptych_emoji.scenes import Placement, Scene, render
from diptych_emoji.scoring.diversity import feature_spread, place_spread


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    fresh = diptych.read_spec("emoji-quick", overrides=["generate.features.normalise=null"])
    return diptych.build(fresh)


def _at(left: int, label: str = "taxi") -> np.ndarray:
    scene = Scene("single_object", "noto", (Placement(label, 24, (left, 10, left + 24, 34)),))
    drawn = render(evolve(scene, placements=()))
    drawn[10:34, left : left + 24] = 0 if label == "taxi" else (200, 0, 0)
    return drawn


def test_equal_pictures_do_not_differ() -> None:
    same = np.stack([_at(10)] * 3)
    assert feature_spread(same) == pytest.approx(0, abs=1e-5)
    assert place_spread(same) == 0


def test_places_spread_as_far_as_things_move() -> None:
    assert place_spread(np.stack([_at(8), _at(28)])) == pytest.approx(10, abs=0.5)
    assert place_spread(np.full((2, 64, 64, 3), 255, np.uint8)) == 0


def test_other_things_have_other_features() -> None:
    assert feature_spread(np.stack([_at(10), _at(10, "key")])) > 0.05


def test_real_scenes_stand_beside_the_spread(model: UnifiedModel) -> None:
    scores = evaluate(model, Suite("s", {"d": Diversity(per_tag=1, pictures=2)}))
    assert [score.name for score in scores] == ["d/features", "d/places"]
    for score in scores:
        assert score.baselines["real"] > 0
        assert score.interval is None


def test_pictures_of_a_regression_head_do_not_differ() -> None:
    changes = {
        "head": "{type: regression, hidden_width: 96, layers: 1, heads: 3}",
        "sampler": "null",
        "guidance": "null",
        "normalise": "null",
    }
    overrides = [f"generate.features.{key}={value}" for key, value in changes.items()]
    model = diptych.build(diptych.read_spec("emoji-quick", overrides=overrides))
    suite = Suite("s", {"d": Diversity(per_tag=1, pictures=2)})
    assert [score.value for score in evaluate(model, suite)] == pytest.approx([0, 0], abs=1e-5)


def test_seeds_of_painting_are_told_apart(model: UnifiedModel) -> None:
    one, *_ = evaluate(model, Suite("s", {"p": Painting(per_tag=2, only="colors")}))
    three, *_ = evaluate(model, Suite("s", {"p": Painting(per_tag=2, only="colors", seeds=3)}))
    assert three.count == 3 * one.count
    assert "least" not in one.baselines
    assert three.baselines["least"] <= three.value <= three.baselines["most"]


def test_a_picture_takes_some_time(model: UnifiedModel) -> None:
    (score,) = evaluate(model, Suite("s", {"fast": Speed(pictures=2)}))
    assert (score.name, score.unit, score.count) == ("fast", "s", 2)
    assert 0 < score.value < 60
