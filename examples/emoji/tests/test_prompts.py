from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diptych_emoji import prompts as p
from diptych_emoji.depict import depict
from diptych_emoji.judge import Detection, decide
from diptych_emoji.scenes import KINDS, Scene, sample_scene
from diptych_emoji.world import find, held_out


def seen_by_a_perfect_eye(scene: Scene) -> list[Detection]:
    things = [(find(placement.label), placement.box) for placement in scene.placements]
    return [Detection(thing.noun, thing.colour, box, 1.0) for thing, box in things]


def test_seen_and_unseen_prompts_share_nothing() -> None:
    seen, unseen = p.prompts("seen", 10_000), p.prompts("unseen", 10_000)
    assert {r["tag"] for r in seen} == set(p.TAGS)
    assert {r["tag"] for r in unseen} == set(p.UNSEEN_TAGS)
    assert not {r["prompt"] for r in seen} & {r["prompt"] for r in unseen}
    for record in unseen:
        assert held_out(map(p.entry_label, record["include"]))
    for record in seen:
        assert not held_out(map(p.entry_label, record["include"]))


def test_prompts_depend_on_the_seed_alone() -> None:
    assert p.prompts("seen", 5, seed=3) == p.prompts("seen", 5, seed=3)
    assert p.prompts("seen", 5, seed=3) != p.prompts("seen", 5, seed=4)
    assert Counter(r["tag"] for r in p.prompts("seen", 5)) == dict.fromkeys(p.TAGS, 5)


def test_records_have_geneval_form() -> None:
    by_tag = {record["tag"]: record for record in p.prompts("seen", 1)}
    assert set(by_tag["single_object"]) == {"tag", "include", "prompt"}
    (position,) = [e for e in by_tag["position"]["include"] if "position" in e]
    assert position["position"][1] == 0
    counting = by_tag["counting"]
    assert counting["exclude"][0]["count"] == counting["include"][0]["count"] + 1
    assert len({e["color"] for e in by_tag["color_attr"]["include"]}) == 2
    assert all(record["prompt"].startswith("a photo of ") for record in by_tag.values())
    json.dumps(by_tag)


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(KINDS))
@settings(max_examples=80, deadline=None)
def test_a_scene_fulfils_its_own_record(seed: int, kind: str) -> None:
    scene = sample_scene(np.random.default_rng(seed), "any", kind=kind)
    record = p.record_of(scene)
    assert record["tag"] == kind
    assert decide(seen_by_a_perfect_eye(scene), record).correct


def test_depicted_records_are_fulfilled() -> None:
    rng = np.random.default_rng(0)
    for record in p.prompts("seen", 12):
        for layout in ("slots", "free"):
            scene = depict(record, rng, "noto", layout)
            assert decide(seen_by_a_perfect_eye(scene), record).correct, record


def test_depict_explains_what_it_cannot_draw() -> None:
    rng = np.random.default_rng(0)
    record = {
        "tag": "single_object",
        "include": [{"class": "bench", "count": 1}],
        "prompt": "a photo of a bench",
    }
    with pytest.raises(ValueError, match="no 'bench'"):
        depict(record, rng)
    record = {
        "tag": "counting",
        "include": [{"class": "key", "count": 4}],
        "prompt": "a photo of four keys",
    }
    with pytest.raises(ValueError, match="a scene holds three"):
        depict(record, rng)


def test_official_file_is_read_when_there_is_one(tmp_path: Path) -> None:
    lines = [
        '{"tag":"single_object","include":[{"class":"bench","count":1}],"prompt":"a photo of a bench"}',
        '{"tag":"single_object","include":[{"class":"airplane","count":1}],"prompt":"a photo of an airplane"}',
    ]
    path = tmp_path / "evaluation_metadata.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    records = p.load_geneval(path)
    assert [record["prompt"] for record in records] == [
        "a photo of a bench",
        "a photo of an airplane",
    ]
    assert p.unknown_nouns(records) == ["bench"]
    path.write_text(lines[0] + '\n{"tag": "colors"}\n', "utf-8")
    with pytest.raises(ValueError, match=r"line 2: .*'include', 'prompt'"):
        p.load_geneval(path)
    path.write_text("oops\n", "utf-8")
    with pytest.raises(ValueError, match="line 1: not JSON"):
        p.load_geneval(path)


def test_unknown_split_and_tag() -> None:
    with pytest.raises(ValueError, match="'seen' or 'unseen'"):
        p.prompts("train")
    with pytest.raises(ValueError, match="no prompt category"):
        list(p.every("colour"))
