"""Ports: sizes follow along connections, and what does not fit is found and named at both ends."""

from itertools import pairwise
from typing import Any

import pytest
from attrs import frozen
from core_cases.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from diptych.connectors.per_token import LinearConnector, MlpConnector
from diptych.ports import Connection, Port, Ports, SizeTable, match_ports, show_port


@frozen
class Part:
    """Sizes by name, as a spec has them."""

    width: int | None = None
    height: int | None = None
    channels: int | None = None
    n: int | None = None


def match(left: str, right: str, left_part: Any = None, right_part: Any = None):
    ports = {"a": Ports(outputs={"out": Port(left)}), "b": Ports(inputs={"in": Port(right)})}
    parts = {"a": left_part or Part(), "b": right_part or Part()}
    return match_ports(parts, ports, [Connection("a.out", "b.in")])


def test_terms_are_names_numbers_and_groups():
    assert Port("b (h 2) channels").terms() == ("b", ("h", "2"), "channels")


def test_a_size_flows_to_a_field_that_is_not_given():
    table, problems = match("b n width", "b n channels", Part(width=7, n=3))
    assert problems == []
    assert table.size(("b", "channels")) == 7
    assert show_port(table, "b", Port("b n channels other")) == "b 3 7 other"


def test_sizes_flow_backwards_too():
    table, _ = match("b n width", "b n 5")
    assert table.size(("a", "width")) == 5


def test_batch_and_sequence_are_never_compared():
    @frozen
    class Odd:
        b: int = 3
        s: int = 4

    assert match("b s", "b s", Odd(), Odd(9, 9))[1] == []


def test_what_varies_in_length_does_not_go_where_a_number_of_tokens_is_needed():
    _, (problem,) = match("b s width", "b n width", Part(width=7), Part(n=3, width=7))
    assert "n is one number, but s varies" in problem.message
    assert match("b s width", "b free width", Part(width=7), Part(width=7))[1] == []
    assert match("b n width", "b s width", Part(n=3, width=7), Part(width=7))[1] == []


def test_a_mismatch_names_both_ends_and_their_sizes():
    _, (problem,) = match("b n width", "b n channels", Part(width=7, n=3), Part(channels=8))
    assert problem.message == ("a has `b n width` = `b 3 7`, but b has `b n channels` = `b 3 8`: width is not channels")


def test_other_numbers_of_axes_do_not_fit():
    _, (problem,) = match("b n width", "b width")
    assert "they have different axes" in problem.message


@pytest.mark.parametrize(
    ("left", "right", "left_part", "right_part", "found"),
    [
        ("b (height width) 3", "b n 3", Part(height=4, width=5), Part(), {("b", "n"): 20}),
        ("b n 3", "b (height width) 3", Part(n=20), Part(height=4), {("b", "width"): 5}),
        ("b n 3", "b (height width) 3", Part(n=25), Part(), {("b", "height"): 5, ("b", "width"): 5}),
        ("b (height width)", "b (width height)", Part(height=2, width=3), Part(), {("b", "width"): 2}),
        ("b (height height)", "b n", Part(height=3), Part(), {("b", "n"): 9}),
        ("b (height 4)", "b n", Part(height=3), Part(), {("b", "n"): 12}),
        ("b n", "b (height height)", Part(n=16), Part(), {("b", "height"): 4}),
    ],
)
def test_groups_match_through_their_products(left, right, left_part, right_part, found):
    table, problems = match(left, right, left_part, right_part)
    assert problems == []
    assert {symbol: table.size(symbol) for symbol in found} == found


@pytest.mark.parametrize(
    ("left", "right", "left_part", "right_part"),
    [
        ("b n 3", "b (height width) 3", Part(n=21), Part(height=4)),
        ("b n 3", "b (height width) 3", Part(n=24), Part()),
        ("b (height width)", "b n", Part(height=4, width=5), Part(n=21)),
        ("b n", "b (height height)", Part(n=15), Part()),
        ("b (height width) 3", "b (height width) 3", Part(height=4, width=5), Part(height=5, width=4)),
    ],
)
def test_products_that_do_not_come_out_are_found(left, right, left_part, right_part):
    assert len(match(left, right, left_part, right_part)[1]) == 1


def test_a_grid_is_not_taken_for_a_square_while_other_connections_may_still_say_more():
    ports = {
        "tokens": Ports(outputs={"out": Port("b n")}),
        "grid": Ports(inputs={"in": Port("b (height width)"), "again": Port("height")}),
        "tall": Ports(outputs={"out": Port("height")}),
    }
    parts = {"tokens": Part(n=16), "grid": Part(), "tall": Part(height=2)}
    links = [Connection("tokens.out", "grid.in"), Connection("tall.out", "grid.again")]
    table, problems = match_ports(parts, ports, links)
    assert problems == []
    assert (table.size(("grid", "height")), table.size(("grid", "width"))) == (2, 8)


def test_each_wrong_connection_is_told_once():
    ports = {"a": Ports(outputs={"out": Port("width")}), "b": Ports(inputs={"in": Port("width"), "on": Port("width")})}
    links = [Connection("a.out", "b.in"), Connection("a.out", "b.on")]
    _, problems = match_ports({"a": Part(width=1), "b": Part(width=2)}, ports, links)
    assert [problem.connection for problem in problems] == links


def test_merged_symbols_share_what_is_found_later():
    table = SizeTable()
    symbols = [("a", "x"), ("b", "y"), ("c", "z"), ("d", "w")]
    assert table.merge(symbols[0], symbols[1])
    assert table.merge(symbols[2], symbols[3])
    assert table.merge(symbols[1], symbols[3])
    assert table.set(symbols[2], 5)
    assert [table.size(each) for each in symbols] == [5] * 4
    assert not table.set(symbols[0], 6)
    assert not table.merge(symbols[0], ("e", "6"))


@st.composite
def chains(draw: Any) -> tuple[list[int], list[Any], int]:
    """Widths along a chain, the connectors between them, each with its sizes given or left out, and a first width."""
    widths = draw(st.lists(st.integers(1, 9), min_size=2, max_size=7))
    made = []
    for before, after in pairwise(widths):
        cls = draw(st.sampled_from([LinearConnector, MlpConnector]))
        given_in, given_out = draw(st.booleans()), draw(st.booleans())
        made.append(cls(in_width=before if given_in else None, out_width=after if given_out else None))
    return widths, made, draw(st.integers(1, 20))


def chain(widths: list[int], made: list[Any], tokens: int):
    parts: dict[str, Any] = {"start": Part(width=widths[0], n=tokens)}
    ports = {"start": Ports(outputs={"tokens": Port("b n width")})}
    links, before = [], "start"
    for index, part in enumerate(made):
        parts[str(index)], ports[str(index)] = part, part.ports()
        links.append(Connection(f"{before}.tokens", f"{index}.features"))
        before = str(index)
    return match_ports(parts, ports, links)


@given(chains())
@examples(150)
def test_a_chain_of_connectors_resolves_to_its_widths(case):
    widths, made, tokens = case
    table, problems = chain(widths, made, tokens)
    assert problems == []
    for index, part in enumerate(made):
        assert table.size((str(index), "in_width")) == (widths[index] if index == 0 or _known(made, index) else None)
        if part.out_width:
            assert table.size((str(index), "out_width")) == widths[index + 1]
        if isinstance(part, MlpConnector):
            assert table.size((str(index), "tokens")) == tokens


def _known(made: list[Any], index: int) -> bool:
    return made[index].in_width is not None or made[index - 1].out_width is not None


@given(chains(), st.data())
@examples(150)
def test_one_wrong_size_in_a_chain_is_always_found(case, data):
    widths, made, tokens = case
    index = data.draw(st.integers(0, len(made) - 1))
    full = [type(p)(in_width=a, out_width=b) for p, a, b in zip(made, widths[:-1], widths[1:], strict=True)]
    wrong = widths[index] + data.draw(st.integers(1, 5))
    full[index] = type(full[index])(in_width=wrong, out_width=full[index].out_width)
    (problem,) = chain(widths, full, tokens)[1]
    assert problem.connection.target == f"{index}.features"
    assert str(wrong) in problem.message
    assert str(widths[index]) in problem.message
