from __future__ import annotations

from itertools import combinations

import pytest

from diptych_emoji import world
from diptych_emoji.geometry import OPPOSITE, apart, holding, strengths


def test_world_has_objects_and_coloured_shapes() -> None:
    assert len(world.OBJECTS) >= 24
    assert len(world.COLOURED_SHAPES) == 21
    assert len(world.THINGS) == len({t.code for t in world.THINGS})
    assert len(world.BY_LABEL) == len(world.THINGS) + len(world.TINTED)


def test_hold_outs_are_about_a_tenth_and_never_move() -> None:
    pairs = list(combinations(world.THINGS, 2))
    assert 0.08 < len(world.HELD_OUT_PAIRS) / len(pairs) < 0.12
    # changing these invalidates every trained model's held-out scores
    assert {"brown heart", "black square"} == world.HELD_OUT_SHAPES
    assert len(world.HELD_OUT_PAIRS) == 130
    assert world.digest("taxi", "key") == world.digest("key", "taxi")


def test_held_out_says_what() -> None:
    pair = min(world.HELD_OUT_PAIRS)
    assert pair in world.held_out(pair[::-1])
    assert world.held_out(["brown heart", "brown heart"]) == {("brown heart",)}
    assert not world.held_out(["taxi"])


def test_a_tinted_thing_is_held_out_with_what_the_thing_itself_is_held_out_with() -> None:
    objects = {thing.label for thing in world.OBJECTS}
    one, other = min(pair for pair in world.HELD_OUT_PAIRS if objects >= set(pair))
    assert (
        world.held_out([f"purple {one}", other]) == world.held_out([one, other]) == {(one, other)}
    )
    assert not world.held_out([f"purple {one}"])


def test_things_are_tinted_in_every_colour_but_their_own() -> None:
    tints = {
        noun: {t.colour for t in world.TINTED if t.noun == noun}
        for noun in {t.noun for t in world.OBJECTS}
    }
    assert all(len(colours) >= 4 for colours in tints.values())
    assert "yellow" not in tints["taxi"]
    assert tints["drum"] == set(world.COLOURS)


def test_every_shape_and_colour_is_trained_in_some_pairing() -> None:
    seen = [t for t in world.COLOURED_SHAPES if t.label not in world.HELD_OUT_SHAPES]
    assert {t.colour for t in seen} == set(world.COLOURS)
    assert {t.noun for t in seen} == set(world.SHAPES)


def test_unknown_label_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'taxi'"):
        world.find("taxy")


def test_relations_follow_geneval() -> None:
    left, right, corner = (0, 0, 20, 20), (40, 0, 60, 20), (40, 40, 60, 60)
    assert holding(left, right) == {"left of"}
    assert holding(right, left) == {"right of"}
    assert holding(left, corner) == {"left of", "above"}
    assert not holding(left, left)
    for a, b in combinations((left, right, corner), 2):
        assert {OPPOSITE[name] for name in holding(a, b)} == holding(b, a)
        assert all(0 <= value <= 1 for value in strengths(a, b).values())


def test_apart_needs_the_gap_on_one_axis() -> None:
    assert apart((0, 0, 10, 10), (13, 0, 20, 10), 3)
    assert not apart((0, 0, 10, 10), (12, 0, 20, 10), 3)
    assert apart((0, 0, 10, 10), (12, 14, 20, 20), 3)
