from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from diptych.data.sample import Thought
from diptych_emoji.datasets import EmojiScenes
from diptych_emoji.phrases import COUNTS
from diptych_emoji.prompts import every, record_of
from diptych_emoji.questions import KINDS, question
from diptych_emoji.scenes import Placement, Scene, sample_scene
from diptych_emoji.scoring.plans import fulfils
from diptych_emoji.thoughts import NOWHERE, located, looked_up, planned, quadrant


SCENE = Scene(
    "mixed",
    "noto",
    (
        Placement("taxi", 24, (36, 36, 60, 60)),
        Placement("red heart", 24, (4, 4, 28, 28)),
        Placement("taxi", 24, (4, 36, 28, 60)),
    ),
)


def test_all_that_is_there_is_located_in_reading_order() -> None:
    assert located(SCENE) == "above left red heart, below left taxi, below right taxi"


@pytest.mark.parametrize(
    ("words", "labels", "said"),
    [
        ("taxis", {"taxi"}, "taxis below left and below right"),
        ("hearts", {"red heart", "blue heart"}, "hearts above left"),
        ("key", {"key"}, f"key {NOWHERE}"),
    ],
)
def test_what_is_asked_about_is_looked_up(words: str, labels: set[str], said: str) -> None:
    rng = np.random.default_rng(0)
    asked = next(q for _ in range(9) if (q := question(SCENE, rng, "presence")))
    assert looked_up(SCENE, evolve(asked, about=((words, frozenset(labels)),))) == said


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(KINDS))
def test_answers_follow_from_thoughts(seed: int, kind: str) -> None:
    """The reader of a thought needs no picture: places are compared, counted, or missing."""
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, "any")
    asked = question(scene, rng, kind)
    if asked is None:
        return
    told = [
        each.split(" above ")[0].split(" below ")[0] for each in looked_up(scene, asked).split(", ")
    ]
    places = [
        [] if each.endswith(NOWHERE) else each[len(words) :].split(" and ")
        for each, words in zip(looked_up(scene, asked).split(", "), told, strict=True)
    ]
    if kind == "count":
        assert COUNTS[len(places[0])] == asked.answer
    elif kind == "presence":
        assert ("yes" if places[0] else "no") == asked.answer
    elif kind == "colour":
        assert len(places[0]) == 1
    elif kind == "side":
        assert asked.answer in places[0][0]
        assert asked.answer not in places[1][0]
    else:
        first, second = (set(each[0].split()) for each in places)
        relation = next(s for s in ("left", "right", "above", "below") if s in asked.text.split())
        assert (relation in first and relation not in second) == (asked.answer == "yes")


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_plan_is_read_as_it_is_written(seed: int) -> None:
    scene = sample_scene(np.random.default_rng(seed), "any")
    placed = [(quadrant(each), each.label) for each in scene.placements]
    assert planned(located(scene)) == sorted(placed)
    assert fulfils(planned(located(scene)), record_of(scene))


@pytest.mark.parametrize("said", ["", "taxi", "above taxi", "above left", "above left cow", "ok"])
def test_what_is_no_plan_is_none(said: str) -> None:
    assert planned(said) is None


@pytest.mark.parametrize(
    ("thought", "right"),
    [
        ("above left key, above right taxi", True),
        ("above left key, below right taxi", True),
        ("below left taxi, below right key", False),  # wrongly placed
        ("above left key, below left taxi", False),
        ("above left key", False),  # a thing is missing
        ("above left key, above right taxi, below left taxi", False),  # one too many
        ("above left key, above left taxi", False),  # one place
        ("key, taxi", False),
    ],
)
def test_a_plan_fulfils_what_was_asked_for(thought: str, right: bool) -> None:
    wanted = (r for r, labels in every("position") if labels == ["key", "taxi"])
    record = next(r for r in wanted if "left of" in r["prompt"])
    assert fulfils(planned(thought), record) == right


def test_what_is_to_be_painted_is_planned_where_it_stands() -> None:
    plain, planned = (EmojiScenes(task="paint", think=each).build() for each in (False, True))
    for index in range(20):
        sample, bare = planned.sample(index), plain.sample(index)
        assert sample.wish().thought == Thought(located(sample.facts["scene"]))
        assert sample.wish().text == bare.wish()
        assert np.array_equal(sample.picture_to_make(), bare.picture_to_make())
