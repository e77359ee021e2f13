"""Mixtures: every sample is a function of seed and index, so resuming is just counting."""

from collections import Counter

import numpy as np
import pytest

from diptych.data.mixture import Mixture
from diptych.data.sample import Sample, Turn
from diptych.data.squares import COLOURS, Squares
from diptych.errors import DataError


class Numbered:
    """An endless source that says its name and the index asked for."""

    def __init__(self, name):
        self.name = name

    def sample(self, index):
        return Sample((), {"is": (self.name, index)})


class Finite(Numbered):
    def __len__(self):
        return 10


SOURCES = {"a": Numbered("a"), "b": Numbered("b"), "c": Finite("c")}


def drawn(mixture, indices):
    return [mixture.sample(index).facts["is"] for index in indices]


def test_a_sample_depends_on_seed_and_index_alone():
    weights = {"a": 1, "b": 2, "c": 1}
    forwards = drawn(Mixture(SOURCES, weights, 3), range(200))
    backwards = drawn(Mixture(SOURCES, weights, 3), reversed(range(200)))
    assert forwards == backwards[::-1]
    assert forwards != drawn(Mixture(SOURCES, weights, 4), range(200))
    batches = [each.facts["is"] for step in range(20) for each in Mixture(SOURCES, weights, 3).batch(step, 10)]
    assert batches == forwards


def test_sources_are_drawn_by_weight():
    counts = Counter(name for name, _ in drawn(Mixture(SOURCES, {"a": 1, "b": 3}, 0), range(4000)))
    assert set(counts) == {"a", "b"}
    assert abs(counts["b"] / 4000 - 0.75) < 0.03


def test_a_weight_of_zero_is_never_drawn():
    assert {name for name, _ in drawn(Mixture(SOURCES, {"a": 0, "b": 1}, 0), range(500))} == {"b"}
    assert {name for name, _ in drawn(Mixture(SOURCES, {"b": 1, "a": 0}, 0), range(500))} == {"b"}


def test_a_finite_source_alone_gives_each_sample_once_an_epoch_in_another_order():
    mixture = Mixture(SOURCES, {"c": 1}, 0)
    first, second = ([index for _, index in drawn(mixture, range(start, start + 10))] for start in (0, 10))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"d": 1}, "names 'd', which is not under `data`: a, b, c"),
        ({"a": -1, "b": 2}, "must not be negative"),
        ({"a": 0}, "one must be above 0"),
        ({}, "one must be above 0"),
        ({"a": float("nan")}, "one must be above 0"),
    ],
)
def test_impossible_weights_are_refused(weights, says):
    with pytest.raises(DataError, match=says):
        Mixture(SOURCES, weights, 0)


@pytest.mark.parametrize("task", ["ask", "paint"])
def test_squares_are_a_function_of_their_index(task):
    first, again, other = (Squares(16, task, seed).build() for seed in (1, 1, 2))
    for index in (0, 5, 12_345):
        assert np.array_equal(first.sample(index).picture(), again.sample(index).picture())
        assert first.sample(index).facts == again.sample(index).facts
    assert any(first.sample(i).facts != other.sample(i).facts for i in range(20))


def test_squares_say_what_they_show():
    for index in range(20):
        sample = Squares(16, "ask").build().sample(index)
        colour = sample.facts["caption"].split()[1]
        assert sample.turns[1].text() == colour
        assert {tuple(each) for each in sample.picture().reshape(-1, 3)} == {(255, 255, 255), COLOURS[colour]}
        assert sample.has_answer()
        assert sample.picture_to_make() is None
    painted = Squares(16).build().sample(0)
    assert painted.picture_to_make() is painted.picture()
    assert not painted.has_answer()


def test_a_turn_keeps_text_and_pictures_apart():
    picture = np.zeros((1, 1, 3), np.uint8)
    turn = Turn("user", ("a", picture, "b"))
    assert turn.text() == "ab"
    assert turn.pictures()[0] is picture
