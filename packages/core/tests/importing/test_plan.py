"""The mapping engine: random tables over random tensors come back bit for bit; what does not fit is listed."""

import pytest
import torch
from core_cases.examples import examples
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from diptych.importing.facts import TensorFacts
from diptych.importing.patterns import Pattern
from diptych.importing.plan import backwards, make_plan
from diptych.importing.rules import Rule, fresh, join, rename, repeat, skip, split
from diptych.importing.stored import StoredTensors
from diptych.importing.stream import write_stream


DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]


def facts(*shape, dtype="F32"):
    return TensorFacts(dtype, shape)


@st.composite
def tables(draw):
    """A random table, and tensors of the foreign side that fit it: -> (rules, tensors by name)."""
    rules, tensors = [], {}
    seed = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def tensor(shape, dtype):
        raw = torch.randn(shape, generator=seed) * 100
        return raw > 0 if dtype == torch.bool else raw.abs().to(dtype) if dtype == torch.uint8 else raw.to(dtype)

    for number in range(draw(st.integers(1, 5))):
        what = draw(st.sampled_from(["rename", "unit", "join", "split"]))
        dtype = draw(st.sampled_from(DTYPES))
        layers = draw(st.integers(0, 2))
        hole = ".{layer}.{rest...}" if layers else ""
        ends = [f".{layer}.a.b" for layer in range(layers)] or [""]
        axis, pieces = draw(st.integers(0, 1)), draw(st.integers(2, 3))
        sizes = tuple(draw(st.integers(1, 3)) for _ in range(pieces)) if draw(st.booleans()) else None
        theirs, ours = f"t{number}", f"o{number}"
        lengths = sizes or (2,) * pieces
        shapes = [(size, 3) if axis == 0 else (3, size) for size in lengths]
        if what == "rename":
            rules.append(rename(f"{theirs}{hole}", f"{ours}.x{hole}"))
            made = {theirs: tuple(draw(st.lists(st.integers(0, 3), max_size=3)))}
        elif what == "unit":
            rules.append(rename(f"{theirs}{hole}", f"{ours}{hole}", unit_axes=(0, 2)))
            made = {theirs: (1, 2, 1, 3)}
        elif what == "join":
            names = [f"{theirs}{letter}" for letter in "qkv"[:pieces]]
            rules.append(join([f"{name}{hole}" for name in names], f"{ours}{hole}", axis=axis, sizes=sizes))
            made = dict(zip(names, shapes, strict=True))
        else:
            names = [f"{ours}{letter}" for letter in "qkv"[:pieces]]
            rules.append(split(f"{theirs}{hole}", [f"{name}{hole}" for name in names], axis=axis, sizes=sizes))
            made = {theirs: (sum(lengths), 3) if axis == 0 else (3, sum(lengths))}
        tensors |= {f"{name}{end}": tensor(shape, dtype) for name, shape in made.items() for end in ends}
    return rules, tensors


@given(table=tables(), parts=st.integers(1, 3))
@examples(120)
def test_there_and_back_is_the_same_bits(tmp_path, table, parts):
    rules, tensors = table
    names = list(tensors)
    for index in range(parts):
        save_file({name: tensors[name] for name in names[index::parts]}, tmp_path / f"{index}.safetensors")
    theirs = StoredTensors({f"|{index}": tmp_path / f"{index}.safetensors" for index in range(parts)})
    there = make_plan(rules, theirs.facts, None)
    assert not there.problems
    write_stream(theirs, there.made, tmp_path / "ours.safetensors")
    ours = StoredTensors({"": tmp_path / "ours.safetensors"})
    assert {name: one.shape for name, one in ours.facts.items()} == {one.name: one.facts.shape for one in there.made}
    back = make_plan(backwards(rules), ours.facts, theirs.facts)
    assert not back.problems
    write_stream(ours, back.made, tmp_path / "back.safetensors")
    again = load_file(tmp_path / "back.safetensors")
    assert again.keys() == tensors.keys()
    for name, value in tensors.items():
        assert again[name].dtype == value.dtype
        assert again[name].shape == value.shape
        assert torch.equal(again[name].reshape(-1).view(torch.uint8), value.reshape(-1).view(torch.uint8))


def test_a_fused_matrix_is_cut_where_the_sizes_say(tmp_path):
    save_file({"qkv": torch.arange(12.0).reshape(6, 2)}, tmp_path / "x.safetensors")
    stored = StoredTensors({"": tmp_path / "x.safetensors"})
    plan = make_plan([split("qkv", ["q", "k", "v"], sizes=(3, 1, 2))], stored.facts, None)
    write_stream(stored, plan.made, tmp_path / "y.safetensors")
    made = load_file(tmp_path / "y.safetensors")
    assert made["q"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert made["k"].tolist() == [[6, 7]]
    assert made["v"].tolist() == [[8, 9], [10, 11]]


# -- what does not fit ------------------------------------------------------------------------------------------------


def problems(rules, sources, targets=None, **more):
    return "\n".join(make_plan(rules, sources, targets, **more).problems)


LAYER = rename("model.{layer}.w", "backbone.{layer}.weight")


def test_unmatched_names_of_both_sides_are_listed():
    sources = {"model.0.w": facts(2), "model.0.x": facts(1), "y": facts(3, dtype="BF16")}
    targets = {"backbone.0.weight": facts(2), "backbone.1.weight": facts(2)}
    text = problems([LAYER], sources, targets)
    assert "unexpected: model.0.x F32 [1]" in text
    assert "unexpected: y BF16 [3]" in text
    assert "missing: nothing in the checkpoint becomes backbone.1.weight F32 [2]" in text
    assert len(text.splitlines()) == 3


def test_what_is_allowed_is_recorded_instead():
    targets = {"backbone.0.weight": facts(2), "backbone.1.weight": facts(2)}
    plan = make_plan([LAYER], {"model.0.w": facts(2), "y.z": facts(3)}, targets, allowed=["y.*", "backbone.1.weight"])
    assert not plan.problems
    assert plan.skipped == {"y.z": "allowed to be unmatched"}
    assert plan.missing == ("backbone.1.weight",)


def test_what_becomes_nothing_of_the_model_is_named():
    text = problems([LAYER], {"model.0.w": facts(2), "model.7.w": facts(2)}, {"backbone.0.weight": facts(2)})
    assert text == "unexpected: model.7.w becomes backbone.7.weight, which the model does not have"


def test_shapes_and_types_that_differ_are_named():
    wanted = {"backbone.0.weight": facts(2), "backbone.1.weight": facts(4)}
    given_ = {"model.0.w": facts(3), "model.1.w": facts(4, dtype="I64")}
    text = problems([LAYER], given_, wanted)
    assert "model.0.w gives [3], backbone.0.weight is [2]" in text
    assert "type: model.1.w is I64, backbone.1.weight is F32" in text


def test_floats_of_another_width_are_no_difference():
    assert not problems([LAYER], {"model.0.w": facts(2, dtype="BF16")}, {"backbone.0.weight": facts(2)})


def test_a_piece_of_a_joined_tensor_that_is_missing_is_named_once():
    rules = [join(["q", "k", "v"], "qkv")]
    assert problems(rules, {"q": facts(1), "v": facts(1)}, {"qkv": facts(3)}) == "missing: k, needed for qkv"


@pytest.mark.parametrize(
    ("rule", "shapes", "why"),
    [
        (join(["a", "b"], "c"), {"a": (2, 3), "b": (2, 4)}, "cannot be joined along axis 0"),
        (join(["a", "b"], "c"), {"a": (2, 3), "b": (3, 3)}, "should have equal sizes along axis 0, not"),
        (join(["a", "b"], "c", sizes=(1, 2)), {"a": (2, 3), "b": (1, 3)}, r"should have (1, 2) along"),
        (split("a", ["b", "c"]), {"a": (3, 1)}, "cannot be cut into 2 equal pieces"),
        (split("a", ["b", "c"], sizes=(1, 1)), {"a": (3, 1)}, "cannot be cut into pieces of (1, 1)"),
        (split("a", ["b", "c"], axis=2), {"a": (3, 1)}, "cannot be cut"),
        (rename("a", "b", unit_axes=(0,)), {"a": (2, 3)}, "should have size 1 on axes (0,)"),
    ],
)
def test_shapes_that_a_rule_cannot_take_are_named_once(rule, shapes, why):
    wanted = {target.text: facts(9) for target in rule.targets}
    text = problems([rule], {name: facts(*shape) for name, shape in shapes.items()}, wanted)
    assert why in text
    assert len(text.splitlines()) == 1


def test_a_name_that_two_rules_take_is_a_mistake_of_the_table():
    assert "fits several rules" in problems([rename("a.{x}", "b.{x}"), rename("{x}.c", "d.{x}")], {"a.c": facts(1)})


def test_two_names_that_become_one_are_a_mistake_of_the_table():
    text = problems([rename("a", "c"), rename("b", "c")], {"a": facts(1), "b": facts(1)})
    assert "ambiguous: c is made of" in text


def test_what_is_left_out_is_neither_missing_nor_unexpected():
    rules = [rename("tower.{rest...}", "vision.eye.{rest...}"), LAYER]
    sources = {"tower.a": facts(1), "model.0.w": facts(2)}
    targets = {"vision.eye.a": facts(1), "vision.eye.b": facts(1), "backbone.0.weight": facts(2)}
    plan = make_plan(rules, sources, targets, left_out={"vision.eye": "large"})
    assert not plan.problems
    assert [made.name for made in plan.made] == ["backbone.0.weight"]
    assert plan.skipped == {"tower.a": "large"}


def test_leaving_out_a_path_does_not_leave_out_a_longer_name():
    sources, targets = {"a": facts(1)}, {"eye2.a": facts(1)}
    plan = make_plan([rename("a", "eye2.a")], sources, targets, left_out={"eye": "x"})
    assert [made.name for made in plan.made] == ["eye2.a"]


def test_skipped_names_say_why():
    plan = make_plan([skip("{rest...}.inv_freq", "computed")], {"a.b.inv_freq": facts(1)}, {})
    assert plan.skipped == {"a.b.inv_freq": "computed"}
    assert not plan.problems


def test_what_starts_afresh_is_zeros_and_stays_behind_on_the_way_back(tmp_path):
    rules = [rename("a", "x"), fresh("n.{rest...}", "theirs has none")]
    wanted = {"x": facts(2), "n.null": facts(3, dtype="BF16"), "n.known": facts(dtype="BOOL")}
    save_file({"a": torch.ones(2)}, tmp_path / "theirs.safetensors")
    stored = StoredTensors({"": tmp_path / "theirs.safetensors"})
    plan = make_plan(rules, stored.facts, wanted)
    assert not plan.problems
    write_stream(stored, plan.made, tmp_path / "ours.safetensors")
    ours = load_file(tmp_path / "ours.safetensors")
    assert torch.equal(ours["n.null"], torch.zeros(3, dtype=torch.bfloat16))
    assert ours["n.known"].dtype == torch.bool
    assert not ours["n.known"]
    back = make_plan(backwards(rules), wanted, None)
    assert not back.problems
    assert [each.name for each in back.made] == ["a"]
    assert back.skipped == {"n.null": "theirs has none", "n.known": "theirs has none"}


def test_what_starts_afresh_must_still_be_wanted():
    plan = make_plan([fresh("n", "theirs has none")], {"n": facts(1)}, {"n": facts(1), "m": facts(1)})
    assert "unexpected: n F32 [1]" in plan.problems
    assert "missing: nothing in the checkpoint becomes m F32 [1]" in plan.problems


def test_a_repeated_tensor_must_look_like_the_other():
    rules = [rename("embed", "backbone.embed"), repeat("head", of="embed")]
    plan = make_plan(rules, {"embed": facts(4, 2), "head": facts(4, 2)}, {"backbone.embed": facts(4, 2)})
    assert plan.repeated == {"head": "embed"}
    assert "head should repeat embed" in problems(rules, {"embed": facts(4, 2), "head": facts(5, 2)})
    assert "missing: embed, which head repeats" in problems(rules[1:], {"head": facts(4, 2)})


# -- rules ------------------------------------------------------------------------------------------------------------


def test_holes():
    pattern = Pattern("a.{layer}.{rest...}.w")
    assert pattern.match("a.3.b.c.w") == {"layer": "3", "rest": "b.c"}
    assert pattern.match("a.3.w") is None
    assert Pattern("a.{layer}").match("a.3.4") is None
    assert Pattern("a+b").match("aab") is None
    assert pattern.fill({"layer": "0", "rest": "x.y"}) == "a.0.x.y.w"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Pattern("{a}.{a}"), "twice"),
        (lambda: rename("a.{x}", "b.{y}"), "same holes"),
        (lambda: rename("a.{x}", "b.{x...}"), "same holes"),
        (lambda: split("a", ["b", "c"], sizes=(1, 2, 3)), "3 sizes for 2 pieces"),
        (lambda: Rule((Pattern("a"), Pattern("b")), (Pattern("c"), Pattern("d"))), "joins several into one"),
        (lambda: Rule((Pattern("a"), Pattern("b")), (Pattern("c"),), dropped=(0,)), "keeps all its axes"),
    ],
)
def test_impossible_rules_are_refused(make, why):
    with pytest.raises(ValueError, match=why):
        make()
