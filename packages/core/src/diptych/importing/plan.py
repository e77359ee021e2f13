"""A table and the names on both sides -> a plan of what is made of what, or everything that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from attrs import evolve, field, frozen

from diptych.errors import suggest
from diptych.importing.facts import TensorFacts
from diptych.importing.patterns import Pattern
from diptych.importing.rules import AnyRule, Fresh, Repeat, Rule, Skip
from diptych.spec.paths import within


@frozen
class Made:
    """One tensor to write.

    Attributes:
        name: what it is called.
        facts: its type and shape.
        sources: what it is read from; several are joined along `axis`, and of none come zeros.
        axis: along which sources are joined, or a piece is cut.
        piece: start and stop along the axis, where it is cut out of its source.
    """

    name: str
    facts: TensorFacts
    sources: tuple[str, ...]
    axis: int = 0
    piece: tuple[int, int] | None = None


@frozen
class Plan:
    """What to write, what is dropped and why, which tensors repeat which, and all that does not fit."""

    made: tuple[Made, ...]
    skipped: Mapping[str, str] = field(factory=dict)
    repeated: Mapping[str, str] = field(factory=dict)
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def backwards(rules: Iterable[AnyRule]) -> list[AnyRule]:
    """Return the rules of the other direction; what was skipped or repeated has no way back, what was fresh none on."""
    back: list[AnyRule] = []
    for rule in rules:
        if isinstance(rule, Rule):
            back.append(rule.backwards())
        elif isinstance(rule, Fresh):
            back.append(Skip(rule.name, rule.why))
    return back


def make_plan(
    rules: Sequence[AnyRule],
    sources: Mapping[str, TensorFacts],
    targets: Mapping[str, TensorFacts] | None,
    *,
    left_out: Mapping[str, str] | None = None,
    allowed: Sequence[str] = (),
) -> Plan:
    """Match names against rules.

    Args:
        rules: the table, in the direction of reading.
        sources: the tensors to read.
        targets: the tensors that are wanted; None if whatever the rules make is right.
        left_out: paths on the side that is written that are not wanted, with the reason.
        allowed: names with `*` that may be unmatched on either side.
    """
    return _Planner(rules, sources, targets, left_out or {}, allowed).plan()


class _Planner:
    def __init__(
        self,
        rules: Sequence[AnyRule],
        sources: Mapping[str, TensorFacts],
        targets: Mapping[str, TensorFacts] | None,
        left_out: Mapping[str, str],
        allowed: Sequence[str],
    ) -> None:
        self.rules, self.sources, self.targets = rules, sources, targets
        self.left_out, self.allowed = left_out, allowed
        self.made: dict[str, Made] = {}
        self.skipped: dict[str, str] = {}
        self.repeated: dict[str, str] = {}
        self.problems: list[str] = []
        self.explained: set[str] = set()  # targets that a problem was already noted for

    def plan(self) -> Plan:
        for name in self.sources:
            self._match(name)
        self._start()
        return Plan(
            tuple(self.made.values()), self.skipped, self.repeated, tuple(self._compare()), tuple(self.problems)
        )

    def _match(self, name: str) -> None:
        found = [(rule, values) for rule in self.rules for values in self._matches(rule, name)]
        if not found:
            self._unmatched(name)
            return
        if len(found) > 1:
            self.problems.append(f"ambiguous: {name} fits several rules of the table")
            return
        rule, values = found[0]
        if isinstance(rule, Skip):
            self.skipped[name] = rule.why
        elif isinstance(rule, Repeat):
            self._repeat(name, rule.of.fill(values))
        elif isinstance(rule, Rule):
            self._apply(rule, values)

    def _start(self) -> None:
        """Make what is wanted and starts as zeros."""
        rules = [rule for rule in self.rules if isinstance(rule, Fresh)]
        for name, facts in (self.targets or {}).items():
            out = any(within(name, path) for path in self.left_out)
            if not out and any(rule.name.match(name) is not None for rule in rules):
                self._add(Made(name, facts, ()))

    @staticmethod
    def _matches(rule: AnyRule, name: str) -> list[dict[str, str]]:
        if isinstance(rule, Fresh):
            return []
        patterns: tuple[Pattern, ...] = rule.sources if isinstance(rule, Rule) else (rule.name,)
        return [values for each in patterns if (values := each.match(name)) is not None]

    def _unmatched(self, name: str) -> None:
        if self._is_allowed(name):
            self.skipped[name] = "allowed to be unmatched"
        else:
            self.problems.append(f"unexpected: {name} {self.sources[name]}{suggest(name, self._known())}")

    def _known(self) -> list[str]:
        """List names that rules without holes would take, for spelling mistakes."""
        return [p.text for rule in self.rules if isinstance(rule, Rule) for p in rule.sources if not p.holes]

    def _repeat(self, name: str, of: str) -> None:
        if of not in self.sources:
            self.problems.append(f"missing: {of}, which {name} repeats")
        elif evolve(self.sources[of], file="") != evolve(self.sources[name], file=""):
            self.problems.append(
                f"different: {name} should repeat {of}, but is {self.sources[name]}, not {self.sources[of]}"
            )
        else:
            self.repeated[name] = of

    def _apply(self, rule: Rule, values: dict[str, str]) -> None:
        names = tuple(each.fill(values) for each in rule.sources)
        targets = [each.fill(values) for each in rule.targets]
        out = {name: why for name in targets for path, why in self.left_out.items() if within(name, path)}
        if len(out) == len(targets):
            self.skipped.update(dict.fromkeys(names, next(iter(out.values()))))
            return
        absent = [name for name in names if name not in self.sources]
        if absent:
            self._note(*(f"missing: {name}, needed for {', '.join(targets)}" for name in absent))
            self.explained.update(targets)
            return
        made = self._join(rule, names, targets[0]) if len(names) > 1 else self._cut(rule, names[0], targets)
        if not made:
            self.explained.update(targets)
        for each in made:
            self._add(each)

    def _join(self, rule: Rule, names: tuple[str, ...], target: str) -> list[Made]:
        facts = [self.sources[name] for name in names]
        rest = {(each.dtype, _without(each.shape, rule.axis)) for each in facts}
        lengths = tuple(each.shape[rule.axis] if rule.axis < len(each.shape) else 0 for each in facts)
        if len(rest) > 1 or 0 in lengths:
            self._note(
                f"shape: {', '.join(names)} cannot be joined along axis {rule.axis}: {', '.join(map(str, facts))}"
            )
            return []
        if lengths != (rule.sizes or (lengths[0],) * len(lengths)):
            wanted = rule.sizes or "equal sizes"
            self._note(f"shape: {', '.join(names)} should have {wanted} along axis {rule.axis}, not {lengths}")
            return []
        shape = (*facts[0].shape[: rule.axis], sum(lengths), *facts[0].shape[rule.axis + 1 :])
        return [Made(target, evolve(facts[0], shape=shape), names, rule.axis)]

    def _cut(self, rule: Rule, name: str, targets: list[str]) -> list[Made]:
        facts, axis = self.sources[name], rule.axis
        shape = self._reshaped(rule, name, facts.shape)
        if shape is None:
            return []
        if len(targets) == 1:
            return [Made(targets[0], evolve(facts, shape=shape), (name,))]
        total = shape[axis] if axis < len(shape) else 0
        sizes = rule.sizes or (total // len(targets),) * len(targets)
        if sum(sizes) != total or total == 0:
            wanted = f"pieces of {sizes}" if rule.sizes else f"{len(targets)} equal pieces"
            self._note(f"shape: {name} {facts} cannot be cut into {wanted} along axis {axis}")
            return []
        made, start = [], 0
        for target, size in zip(targets, sizes, strict=True):
            own = (*shape[:axis], size, *shape[axis + 1 :])
            made.append(Made(target, evolve(facts, shape=own), (name,), axis, (start, start + size)))
            start += size
        return made

    def _reshaped(self, rule: Rule, name: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        if any(axis >= len(shape) or shape[axis] != 1 for axis in rule.dropped):
            self._note(f"shape: {name} should have size 1 on axes {rule.dropped}, but its shape is {list(shape)}")
            return None
        kept = [size for axis, size in enumerate(shape) if axis not in rule.dropped]
        for axis in sorted(rule.added):
            kept.insert(axis, 1)
        return tuple(kept)

    def _note(self, *texts: str) -> None:
        for text in texts:
            if text not in self.problems:  # each source of a joined tensor finds the same
                self.problems.append(text)

    def _add(self, made: Made) -> None:
        if made.name in self.made and self.made[made.name] != made:
            self.problems.append(f"ambiguous: {made.name} is made of {self.made[made.name].sources} and {made.sources}")
        self.made[made.name] = made

    def _compare(self) -> list[str]:
        """Note what is wanted and not made, made and not wanted, or of another shape: -> missing that is allowed."""
        missing = []
        for name, wanted in (self.targets or {}).items():
            made = self.made.get(name)
            if made is None:
                if any(within(name, path) for path in self.left_out):
                    continue
                if self._is_allowed(name):
                    missing.append(name)
                elif name not in self.explained:
                    self.problems.append(f"missing: nothing in the checkpoint becomes {name} {wanted}")
            elif made.facts.shape != wanted.shape:
                come = ", ".join(made.sources)
                self.problems.append(
                    f"shape: {come} gives {list(made.facts.shape)}, {name} is {list(wanted.shape)} by the config"
                )
            elif made.facts.floating != wanted.floating:
                self.problems.append(f"type: {made.sources[0]} is {made.facts.dtype}, {name} is {wanted.dtype}")
        for name in self.made if self.targets is not None else ():
            if name not in self.targets:  # type: ignore[operator]
                come = ", ".join(self.made[name].sources)
                self.problems.append(f"unexpected: {come} becomes {name}, which the model does not have")
        return missing

    def _is_allowed(self, name: str) -> bool:
        return any(fnmatchcase(name, each) for each in self.allowed)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])
