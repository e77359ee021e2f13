"""Ports: what flows in and out of a part, as axes with symbolic sizes. No torch.

A port is written in einops notation, `b (h w) channels`. An axis that names a field or property of the part's spec
has that size (unknown where the field is None, to be inferred); a number is itself; any other name is free within the
part, and the same name on two ports of one part is the same size. Batch `b` and sequence `s` are never compared, but
a sequence, whose length varies from sample to sample, cannot go where a known number of tokens is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt
from typing import Any

from attrs import evolve, field, frozen


_TOKEN = re.compile(r"\(|\)|[A-Za-z_]\w*|\d+")

_FREE = ("b", "s")
_VARIES = "but s varies from sample to sample"

Term = str | tuple[str, ...]


@frozen
class Port:
    """One end of a connection: axes in einops notation, such as `b (height width) channels`."""

    axes: str
    meaning: str = ""

    def terms(self) -> tuple[Term, ...]:
        """Split into axes; a bracketed group is a tuple of its names."""
        terms: list[Term] = []
        group: list[str] | None = None
        for token in _TOKEN.findall(self.axes):
            if token == "(":
                group = []
            elif token == ")":
                terms.append(tuple(group or ()))
                group = None
            elif group is not None:
                group.append(token)
            else:
                terms.append(token)
        return tuple(terms)


@frozen
class Ports:
    """The ports of a part, and how its own ports continue into the parts inside it.

    `inside` pairs an own port with `field.port` of a nested part: both are the same thing.
    """

    inputs: Mapping[str, Port] = field(factory=dict)
    outputs: Mapping[str, Port] = field(factory=dict)
    inside: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> Port | None:
        """Return an input or output port by name."""
        return self.inputs.get(name) or self.outputs.get(name)


@frozen
class Connection:
    """Two ports that carry the same tensor. `remedy` is the advice when their sizes differ."""

    source: str
    target: str
    remedy: str = ""

    def ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return (part path, port name) of both ends."""
        left, _, left_port = self.source.rpartition(".")
        right, _, right_port = self.target.rpartition(".")
        return (left, left_port), (right, right_port)


@frozen
class Mismatch:
    """Two ends of a connection that cannot be the same size."""

    connection: Connection
    message: str


class SizeTable:
    """Sizes of (part, axis) symbols, merged as connections say that two of them are one."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._parent: dict[tuple[str, str], tuple[str, str]] = {}
        self._size: dict[tuple[str, str], int] = {}

    def size(self, symbol: tuple[str, str]) -> int | None:
        """Return what is known of a symbol."""
        if symbol[1].isdigit():
            return int(symbol[1])
        return self._size.get(self._root(symbol))

    def set(self, symbol: tuple[str, str], size: int) -> bool:
        """Give a symbol its size; False if it already has another."""
        known = self.size(symbol)
        if known is None:
            self._size[self._root(symbol)] = size
        return known in (None, size)

    def merge(self, left: tuple[str, str], right: tuple[str, str]) -> bool:
        """Make two symbols one; False if both are known and differ."""
        sizes = self.size(left), self.size(right)
        if None not in sizes:
            return sizes[0] == sizes[1]
        if left[1].isdigit() or right[1].isdigit():
            known, unknown = (left, right) if left[1].isdigit() else (right, left)
            return self.set(unknown, int(known[1]))
        a, b = self._root(left), self._root(right)
        if a != b:
            size = next((each for each in sizes if each is not None), None)
            self._parent[a] = b
            self._size.pop(a, None)
            if size is not None:
                self._size[b] = size
        return True

    def _root(self, symbol: tuple[str, str]) -> tuple[str, str]:
        while symbol in self._parent:
            symbol = self._parent[symbol]
        return symbol


def match_ports(
    parts: Mapping[str, Any], ports: Mapping[str, Ports], connections: list[Connection]
) -> tuple[SizeTable, list[Mismatch]]:
    """Propagate sizes over all connections.

    Args:
        parts: the spec of each part, by its path; axis names are looked up on it.
        ports: the ports of each part, by the same paths.
        connections: pairs of `path.port` that carry the same tensor.

    Returns:
        The sizes found, and every connection whose ends disagree.
    """
    table, mismatches = SizeTable(), []
    for path, own in ports.items():
        for port in (*own.inputs.values(), *own.outputs.values()):
            for name in _names(port):
                size = getattr(parts[path], name, None)
                if isinstance(size, int) and not isinstance(size, bool):
                    table.set((path, name), size)
    failed: set[Connection] = set()
    for assume_square in (False, True, False):
        for _ in range(len(connections) + 1):
            for connection in connections:
                if connection in failed:
                    continue
                message = _match(table, ports, connection, assume_square=assume_square)
                if message:
                    failed.add(connection)
                    # where a length varies no size that could be left out or changed is to blame
                    varies = message.endswith(_VARIES)
                    mismatches.append(Mismatch(evolve(connection, remedy="") if varies else connection, message))
    return table, mismatches


def show_port(table: SizeTable, path: str, port: Port) -> str:
    """Write a port with the sizes that are known: `b (8 8) 1792`; unknown axes keep their name."""

    def one(name: str) -> str:
        size = table.size((path, name))
        return name if size is None else str(size)

    return " ".join(one(t) if isinstance(t, str) else f"({' '.join(map(one, t))})" for t in port.terms())


def _names(port: Port) -> list[str]:
    flat = [name for term in port.terms() for name in ((term,) if isinstance(term, str) else term)]
    return [name for name in flat if not name.isdigit() and name not in _FREE]


def _match(table: SizeTable, ports: Mapping[str, Ports], connection: Connection, *, assume_square: bool) -> str | None:
    (left_path, left_name), (right_path, right_name) = connection.ends()
    if left_path not in ports or right_path not in ports:
        return None
    left, right = ports[left_path].get(left_name), ports[right_path].get(right_name)
    if left is None or right is None:
        return None
    a, b = left.terms(), right.terms()
    if len(a) != len(b):
        return _say(table, (left_path, left), (right_path, right), "they have different axes")
    for x, y in zip(a, b, strict=True):
        if x == "s" and isinstance(y, str) and y not in _FREE and table.size((right_path, y)) is not None:
            return _say(table, (left_path, left), (right_path, right), f"{y} is one number, {_VARIES}")
        if x in _FREE or y in _FREE:
            continue
        if not _match_term(table, left_path, x, right_path, y, assume_square=assume_square):
            return _say(table, (left_path, left), (right_path, right), f"{_word(x)} is not {_word(y)}")
    return None


def _match_term(table: SizeTable, left: str, x: Term, right: str, y: Term, *, assume_square: bool) -> bool:
    if isinstance(x, str) and isinstance(y, str):
        return table.merge((left, x), (right, y))
    if isinstance(x, tuple) and isinstance(y, tuple) and len(x) == len(y):
        return all(table.merge((left, i), (right, j)) for i, j in zip(x, y, strict=True))
    if isinstance(x, str):
        return _match_group(table, (right, y), (left, (x,)), assume_square=assume_square)
    return _match_group(table, (left, x), (right, (y,) if isinstance(y, str) else y), assume_square=assume_square)


def _match_group(
    table: SizeTable, group: tuple[str, Any], other: tuple[str, tuple[str, ...]], *, assume_square: bool
) -> bool:
    """Match a bracketed group with something of another arity through the product of its sizes."""
    inner = [(group[0], name) for name in group[1]]
    outer = [(other[0], name) for name in other[1]]
    inner_product, outer_product = _product(table, inner), _product(table, outer)
    if inner_product is not None and outer_product is not None:
        return inner_product == outer_product
    if inner_product is not None and len(outer) == 1:
        return table.set(outer[0], inner_product)
    unknown = [symbol for symbol in inner if table.size(symbol) is None]
    if outer_product is None or not unknown:
        return True
    rest = outer_product // _known_product(table, inner)
    if len(unknown) == 1:
        return _known_product(table, inner) * rest == outer_product and table.set(unknown[0], rest)
    if assume_square and len(unknown) == 2:
        side = isqrt(rest)
        return side * side == rest and table.set(unknown[0], side) and table.set(unknown[1], side)
    return True


def _product(table: SizeTable, symbols: list[tuple[str, str]]) -> int | None:
    if any(table.size(symbol) is None for symbol in symbols):
        return None
    return _known_product(table, symbols)


def _known_product(table: SizeTable, symbols: list[tuple[str, str]]) -> int:
    product = 1
    for symbol in symbols:
        product *= table.size(symbol) or 1
    return product


def _word(term: Term) -> str:
    return term if isinstance(term, str) else f"({' '.join(term)})"


def _say(table: SizeTable, left: tuple[str, Port], right: tuple[str, Port], why: str) -> str:
    shown = [f"{path} has `{port.axes}` = `{show_port(table, path, port)}`" for path, port in (left, right)]
    return f"{shown[0]}, but {shown[1]}: {why}"
