"""Checks of specs: they say what they are, survive files, and promise ports."""

from __future__ import annotations

import json
from typing import Annotated

import attrs

from diptych.ports import Ports
from diptych.registry import KINDS
from diptych.spec.part import PartSpec, Slot, evolved, fields_of
from diptych.spec.structure import structure, unstructure
from diptych.testing.example import Example


def check_spec_says_what_it_is(example: Example) -> None:
    """The kind exists, the class has a sentence, and so has every field."""
    spec = example.spec
    assert spec.kind in KINDS, f"'{spec.kind}' is no kind"
    assert (type(spec).__doc__ or "").strip(), f"{type(spec).__name__} has no docstring"
    for each in fields_of(spec):
        assert each.metadata.get("doc"), f"{type(spec).__name__}.{each.name} has no sentence; make it with `setting`"


def check_spec_is_frozen_data(example: Example) -> None:
    """A spec cannot be changed, is equal to its copy, and hands out ports."""
    spec = example.spec
    assert evolved(spec) == spec
    name = next((each.name for each in fields_of(spec)), None)
    if name is not None:
        try:
            setattr(spec, name, None)
        except attrs.exceptions.FrozenInstanceError:
            pass
        else:
            raise AssertionError(f"{type(spec).__name__}.{name} can be changed; use `attrs.frozen`")
    assert isinstance(spec.ports(), Ports)
    for port in (*spec.ports().inputs.values(), *spec.ports().outputs.values()):
        assert port.terms(), f"port `{port.axes}` has no axes"


def check_spec_survives_a_file(example: Example) -> None:
    """What is written as JSON reads back as the same spec."""
    spec = example.spec
    holder = attrs.make_class("Holder", {"part": attrs.field()}, frozen=True)
    holder.__annotations__ = {"part": Annotated[PartSpec, Slot(spec.kind)]}
    read = structure(json.loads(json.dumps({"part": unstructure(spec)})), holder)
    assert read.part == spec, f"wrote {spec}, read {read.part}"


def check_every_preset_is_a_spec(example: Example) -> None:
    """Presets fill in fields that exist, with values that are allowed."""
    cls = type(example.spec)
    for name in cls.presets():
        assert isinstance(cls.preset(name), cls)


SPEC_CHECKS = [
    check_spec_says_what_it_is,
    check_spec_is_frozen_data,
    check_spec_survives_a_file,
    check_every_preset_is_a_spec,
]
