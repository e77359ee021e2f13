"""What every part spec has in common: fields with a sentence each, ports, and a `build` that imports the module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from diptych.errors import Problem, SpecError, suggest
from diptych.ports import Ports


if TYPE_CHECKING:
    from torch import nn


class Slot:
    """Marks a field that holds a part: `network: Annotated[PartSpec, Slot("network")]`.

    Several kinds may share a slot; a type name is looked up in each of them in turn.
    """

    def __init__(self, *kinds: str) -> None:
        """Say which kinds fit."""
        self.kinds = kinds


def setting(
    doc: str, *, default: Any = attrs.NOTHING, check: Any = None, factory: Any = None, is_path: bool = False
) -> Any:
    """Declare a spec field.

    Args:
        doc: one sentence for `diptych show`: meaning, unit, range.
        default: the value when the field is left out; without one the field is required.
        check: an attrs validator, or a list of them.
        factory: makes the default, for mappings.
        is_path: the value is a path, and a relative one is meant from the folder of the spec file.
    """
    default = attrs.Factory(factory) if factory is not None else default
    return attrs.field(default=default, validator=check, metadata={"doc": doc, "path": is_path})


def inferred(doc: str) -> Any:
    """Declare a size that follows from what the part is connected to, unless it is given."""
    return attrs.field(
        default=None,
        validator=attrs.validators.optional([attrs.validators.instance_of(int), attrs.validators.ge(1)]),
        metadata={"doc": f"{doc} (inferred unless given)", "inferred": True},
    )


def deviation(doc: str) -> Any:
    """Declare a switch that repeats what an original code did and we would not, for the same numbers as it gave.

    Left out, it follows `numerics` of the model spec (`diptych.spec.numerics`); the field's type is `bool | None`, and
    None is off. The sentence says what the original does, and why not.
    """
    return attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.instance_of(bool)),
        metadata={"doc": f"{doc} (follows `numerics` unless given)", "deviation": True},
    )


class PartSpec:
    """Base of part specs: a frozen attrs class of plain values and nested part specs.

    A subclass says its `kind`, its fields, its `ports()` and how to `build()` the module. It may ship `presets`: named
    sets of field values, expanded when a spec is read.
    """

    kind: ClassVar[str]

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return named sets of field values; none unless a part ships some."""
        return {}

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Build a spec from one of the presets, with some fields changed."""
        known = cls.presets()
        if name not in known:
            message = f"unknown preset '{name}'{suggest(name, known)}; presets: {', '.join(known) or 'none'}"
            raise SpecError([Problem("preset", message)], cls.__name__)
        return cls(**{**known[name], **changes})

    def ports(self) -> Ports:
        """Say what flows in and out; none for parts that carry no tensors between slots."""
        return Ports()

    def sources(self) -> Mapping[str, str]:
        """Say which other slots feed own inputs, for parts that name one: `{"features": "vision.vae.latents"}`."""
        return {}

    def build(self) -> Any:
        """Import and make the module (or function) that this spec describes, with all sizes known."""
        raise TypeError(f"{type(self).__name__} does not say how it is built: give it a `build` method")


def fields_of(spec: Any) -> tuple[Any, ...]:
    """Return the attrs fields of a spec; none for a part made in code."""
    return () if isinstance(spec, InlinePart) else attrs.fields(type(spec))


def evolved(spec: Any, **changes: Any) -> Any:
    """Return a copy of a spec with some fields changed."""
    return attrs.evolve(spec, **changes)


def walk_parts(spec: Any, path: str = "") -> Iterator[tuple[str, PartSpec]]:
    """Iterate over the parts inside a spec at any depth, outer ones first, with their paths.

    A path is the field names on the way, with the key of a mapping, the `name` of a list entry that has one, or its
    index: `vision.clip`, `generate.features.head.network`, `generate.features.condition.of.0`.
    """
    for segment, value in _children(spec):
        inner = f"{path}.{segment}" if path else segment
        if isinstance(value, PartSpec):
            yield inner, value
        yield from walk_parts(value, inner)


def replace_part(spec: Any, path: str, part: PartSpec) -> Any:
    """Return a copy of a spec with the part at a path (as `walk_parts` gives it) exchanged."""
    if not path:
        return part
    segment, value = next(
        (name, value) for name, value in _children(spec) if path == name or path.startswith(f"{name}.")
    )
    changed = replace_part(value, path[len(segment) + 1 :], part)
    field, _, key = segment.partition(".")
    held = getattr(spec, field)
    if isinstance(held, Mapping):
        changed = {**held, key: changed}
    elif isinstance(held, tuple):
        changed = tuple(changed if each is value else each for each in held)
    return attrs.evolve(spec, **{field: changed})


def _children(spec: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(spec, InlinePart) or not attrs.has(type(spec)):
        return
    for field in attrs.fields(type(spec)):
        value = getattr(spec, field.name)
        if isinstance(value, tuple):
            named = [(getattr(each, "name", index), each) for index, each in enumerate(value)]
        elif isinstance(value, Mapping):
            named = list(value.items())
        else:
            named = [("", value)]
        for key, each in named:
            if attrs.has(type(each)):
                yield f"{field.name}.{key}" if key != "" else field.name, each


@attrs.frozen(eq=False)
class InlinePart(PartSpec):
    """A part made in code: any `nn.Module` with declared ports, without registering it.

    It builds to the module itself. A spec that holds one cannot be written to a file: saving says how to register it.
    """

    kind: str  # type: ignore[misc]  # every other part fixes its kind for the class
    module: nn.Module
    declared: Ports = attrs.field(factory=Ports)
    facts: Mapping[str, Any] = attrs.field(factory=dict)

    def __getattr__(self, name: str) -> Any:
        """Look up axis sizes and other facts that a registered spec would have as fields."""
        if not name.startswith("__") and name in self.facts:
            return self.facts[name]
        raise AttributeError(
            f"inline {self.kind} has no fact '{name}'; give it: InlinePart(..., facts={{'{name}': …}})"
        )

    def ports(self) -> Ports:
        """Return the ports as declared."""
        return self.declared

    def build(self) -> nn.Module:
        """Return the module."""
        return self.module
