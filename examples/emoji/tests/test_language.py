from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diptych_emoji.blind import asked, blind_baseline
from diptych_emoji.captions import FRAMES, RELATION_WORDS, caption
from diptych_emoji.facts import relation_strengths
from diptych_emoji.phrases import COUNTS, counted, listed, plural
from diptych_emoji.questions import KINDS, QUESTIONS, Question, question, questions
from diptych_emoji.scenes import Scene, arrange, sample_scene
from diptych_emoji.world import BY_LABEL, COLOURS, HELD_OUT_SHAPES, find


SEEDS = st.integers(0, 2**32 - 1)
WORDINGS = st.sampled_from(["train", "held-out"])
EVERY = BY_LABEL.values()
NAMES = {t.label: t.label for t in EVERY} | {plural(t.label): t.label for t in EVERY}
NAMES |= {t.noun: t.noun for t in EVERY} | {t.plural: t.noun for t in EVERY}
NAME = "|".join(sorted(map(re.escape, NAMES), key=len, reverse=True))
NUMBER = {"a": 1, "an": 1} | {word: number for number, word in enumerate(COUNTS)}
PHRASE = re.compile(rf"\b(an?|one|two|three) ({NAME})\b")
SIDES = {words: name for name, every in RELATION_WORDS.items() for words in every}
SIDE = "|".join(sorted(SIDES, key=len, reverse=True))


def scene_of(seed: int) -> tuple[Scene, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return sample_scene(rng, "any", tinted=0.5), rng


def words(texts: list[str]) -> set[str]:
    return {word for text in texts for word in re.findall("[a-z]+", re.sub(r"\{.*?\}", "", text))}


@given(seed=SEEDS, wordings=WORDINGS)
@settings(max_examples=150, deadline=None)
def test_captions_say_all_that_is_there(seed: int, wordings: str) -> None:
    scene, rng = scene_of(seed)
    text = caption(scene, rng, wordings)
    said = Counter()
    for number, name in PHRASE.findall(text):
        said[NAMES[name]] += NUMBER[number]
    assert said == scene.counts, text


@given(seed=SEEDS, wordings=WORDINGS)
@settings(max_examples=150, deadline=None)
def test_captions_state_true_relations(seed: int, wordings: str) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, "any", kind="position", tinted=0.5)
    text = caption(scene, rng, wordings)
    told = re.search(rf"\b({SIDE}) an? ({NAME})\b", text)
    if told is None:
        return
    side, second = SIDES[told[1]], NAMES[told[2]]
    (first,) = set(scene.counts) - {second}
    assert relation_strengths(scene, first, second)[side] > 0.5, text


def test_held_out_wordings_are_new_but_their_words_are_not() -> None:
    trained = [text for forms in QUESTIONS.values() for text in forms["train"]] + list(
        FRAMES["train"]
    )
    for forms in (FRAMES, *QUESTIONS.values()):
        assert not set(forms["train"]) & set(forms["held-out"])
        assert words(list(forms["held-out"])) <= words(trained)


def truth(scene: Scene, asked_for: Question) -> str:
    """Answers a question from the scene by reading its text."""
    names = [NAMES[name] for name in re.findall(rf"\b({NAME})\b", asked_for.text)]
    matching = [label for label in scene.labels if names and names[0] in (label, find(label).noun)]
    if asked_for.kind == "count":
        return COUNTS[len(matching) if names else len(scene.labels)]
    if asked_for.kind == "presence":
        return "yes" if matching else "no"
    if asked_for.kind == "colour":
        (label,) = matching
        return str(find(label).colour)
    strengths = relation_strengths(scene, *names)
    if asked_for.kind == "side":
        sides = [name for name in strengths if re.search(rf"\b{name.split()[0]}\b", asked_for.text)]
        assert len(sides) == 2
        return max(sides, key=strengths.__getitem__).removesuffix(" of")
    side = next(name for name in strengths if name in asked_for.text)
    return "yes" if strengths[side] > 0.5 else "no"


@given(seed=SEEDS, kind=st.sampled_from(KINDS), wordings=WORDINGS)
@settings(max_examples=300, deadline=None)
def test_answers_are_right(seed: int, kind: str, wordings: str) -> None:
    scene, rng = scene_of(seed)
    found = question(scene, rng, kind, wordings)
    if found is not None:
        assert found.answer == truth(scene, found), (scene, found)


def test_training_never_asks_for_a_held_out_shape() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        scene = sample_scene(rng, "train")
        texts = [asked_for.text for asked_for in questions(scene, rng, 4)]
        texts.append(caption(scene, rng))
        assert not any(label in text for text in texts for label in HELD_OUT_SHAPES)


def test_nobody_asks_for_a_thing_where_a_tinted_one_is_shown() -> None:
    rng = np.random.default_rng(0)
    scene = arrange(rng, ["green taxi"], "noto")
    every = [question(scene, rng, kind) for kind in ("count", "presence") for _ in range(500)]
    about = {label for each in every for _, labels in each.about for label in labels}
    assert "green taxi" in about
    assert "taxi" not in about
    assert about & {"blue taxi", "green key"}  # near misses


def test_blind_guessing_gains_little() -> None:
    rng = np.random.default_rng(0)
    train, test = (
        [
            asked(found)
            for _ in range(number)
            for found in questions(sample_scene(rng, "train"), rng, 3)
        ]
        for number in (6000, 1000)
    )
    assert 0.4 < blind_baseline(train, test) < 0.55


def test_blind_baseline_falls_back_from_text_to_form() -> None:
    train = [
        (("is a b?", "is {x}?"), "yes"),
        (("is a c?", "is {x}?"), "yes"),
        (("how?", "h"), "no"),
    ]
    assert blind_baseline(train, [(("is a d?", "is {x}?"), "yes"), (("how?", "h"), "no")]) == 1
    assert blind_baseline(train, [(("new", "new"), "no")]) == 0


def test_phrases() -> None:
    assert counted("umbrella", 1) == "an umbrella"
    assert counted("red heart", 2) == "two red hearts"
    assert counted("key", 1, one=True) == "one key"
    assert plural("strawberry") == "strawberries"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    with pytest.raises(ValueError, match=r"counts are 1\.\.3"):
        counted("key", 4)


def test_wrong_choices_are_explained() -> None:
    scene, rng = scene_of(0)
    with pytest.raises(ValueError, match="'train' or 'held-out'"):
        caption(scene, rng, "test")
    with pytest.raises(ValueError, match="did you mean 'colour'"):
        question(scene, rng, "color")
    with pytest.raises(ValueError, match="'train' or 'held-out'"):
        question(scene, rng, "count", "test")
    assert set(COLOURS) >= {t.colour for t in EVERY if t.colour}
