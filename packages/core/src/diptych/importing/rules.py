"""The rules that tables are made of. A rule read backwards is a rule, so one engine serves both directions."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from diptych.importing.patterns import Pattern


@frozen
class Rule:
    """Tensors of one side become tensors of the other: one to one, several joined to one, or one cut into several.

    Attributes:
        sources: names on the side that is read.
        targets: names on the side that is written; the same holes as the sources.
        axis: along which tensors are joined or cut.
        sizes: of the pieces along the axis; equal pieces unless given.
        dropped: axes of size 1 of the source that the target lacks.
        added: axes of size 1 of the target that the source lacks.
    """

    sources: tuple[Pattern, ...]
    targets: tuple[Pattern, ...] = field()
    axis: int = 0
    sizes: tuple[int, ...] | None = field(default=None)
    dropped: tuple[int, ...] = field(default=())
    added: tuple[int, ...] = ()

    @targets.validator
    def _one_side_is_single(self, _: object, targets: tuple[Pattern, ...]) -> None:
        if not targets or not self.sources or (len(targets) > 1 and len(self.sources) > 1):
            raise ValueError("a rule joins several into one, or cuts one into several")
        if any(each.holes != self.sources[0].holes for each in (*self.sources, *targets)):
            texts = " / ".join(each.text for each in (*self.sources, *targets))
            raise ValueError(f"all names of a rule need the same holes: {texts}")

    @sizes.validator
    def _a_size_a_piece(self, _: object, sizes: tuple[int, ...] | None) -> None:
        if sizes is not None and len(sizes) != self.pieces:
            raise ValueError(f"{len(sizes)} sizes for {self.pieces} pieces of {self.sources[0].text}")

    @dropped.validator
    def _only_one_to_one(self, _: object, dropped: tuple[int, ...]) -> None:
        if dropped and self.pieces > 1:
            raise ValueError("a tensor that is joined or cut keeps all its axes")

    @property
    def pieces(self) -> int:
        """How many tensors the longer side has."""
        return max(len(self.sources), len(self.targets))

    def backwards(self) -> Rule:
        """Return the rule that undoes this one."""
        return Rule(self.targets, self.sources, self.axis, self.sizes, self.added, self.dropped)


@frozen
class Skip:
    """A tensor of theirs that nothing of ours is made of, with the reason."""

    name: Pattern
    why: str


@frozen
class Repeat:
    """A tensor of theirs that only repeats another one, as a tied output matrix does; it must have the same bits."""

    name: Pattern
    of: Pattern


@frozen
class Fresh:
    """A tensor of ours that the layout has no name for: zeros at first, left behind by an export, with the reason."""

    name: Pattern
    why: str


AnyRule = Rule | Skip | Repeat | Fresh
"""What a table holds."""


def rename(theirs: str, ours: str, *, unit_axes: tuple[int, ...] = ()) -> Rule:
    """The same tensor under another name; `unit_axes` are axes of size 1 that only theirs has."""
    return Rule((Pattern(theirs),), (Pattern(ours),), dropped=unit_axes)


def join(theirs: Iterable[str], ours: str, *, axis: int = 0, sizes: tuple[int, ...] | None = None) -> Rule:
    """Several of theirs are one of ours, joined along an axis."""
    return Rule(tuple(map(Pattern, theirs)), (Pattern(ours),), axis, sizes)


def split(theirs: str, ours: Iterable[str], *, axis: int = 0, sizes: tuple[int, ...] | None = None) -> Rule:
    """One of theirs, a fused matrix, is several of ours along an axis."""
    return Rule((Pattern(theirs),), tuple(map(Pattern, ours)), axis, sizes)


def skip(theirs: str, why: str) -> Skip:
    """Say why a tensor of theirs is not needed."""
    return Skip(Pattern(theirs), why)


def fresh(ours: str, why: str) -> Fresh:
    """Say why a tensor of ours starts as zeros."""
    return Fresh(Pattern(ours), why)


def repeat(theirs: str, of: str) -> Repeat:
    """Say that a tensor of theirs repeats another of theirs."""
    return Repeat(Pattern(theirs), Pattern(of))
