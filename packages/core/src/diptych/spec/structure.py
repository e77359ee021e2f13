"""Plain data <-> specs. Reading collects every problem with its path; a file can only name registered parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from reprlib import Repr
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from diptych.errors import Problem, SpecError, UnknownNameError, UnregisteredPartError, suggest
from diptych.plugins import registry
from diptych.spec.part import InlinePart, PartSpec, Slot


_BRIEF = Repr()  # a few YAML aliases can say ten to the forty values, which `repr` would write out
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = _BRIEF.maxset = 4
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 2, 60, 60


def structure(data: Any, cls: type, source: str = "spec") -> Any:
    """Make a spec of class `cls` out of plain data (mappings, lists, strings, numbers).

    Raises:
        SpecError: with all problems at once, each with its path and the nearest valid choice.
    """
    problems: list[Problem] = []
    try:
        spec = _read(data, cls, "", problems)
    except RecursionError:
        problems = [Problem("", "it is nested too deeply")]
    if problems:
        raise SpecError(problems, source)
    return spec


def unstructure(spec: Any) -> Any:
    """Turn a spec into plain data; the inverse of `structure`. Fields at their defaults are left out.

    Raises:
        UnregisteredPartError: if a part was made in code and has no registered name.
    """
    if isinstance(spec, PartSpec):
        return {"type": _type_name(spec), **_fields(spec)}
    if attrs.has(type(spec)):
        return _fields(spec)
    if isinstance(spec, Mapping):
        return {key: unstructure(value) for key, value in spec.items()}
    if isinstance(spec, tuple | list):
        return [unstructure(value) for value in spec]
    return spec


def _fields(spec: Any) -> dict[str, Any]:
    kept = {}
    for field in attrs.fields(type(spec)):
        value, default = getattr(spec, field.name), field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # attrs.Factory is a class at run time
            default = default.factory()
        if default is attrs.NOTHING or value != default or type(value) is not type(default):
            kept[field.name] = unstructure(value)
    return kept


def _type_name(spec: PartSpec) -> str:
    if isinstance(spec, InlinePart):
        what = f"the {spec.kind} made of {type(spec.module).__name__}"
    else:
        what = f"{type(spec).__name__}"
        if name := registry().name_of(spec.kind, type(spec)):
            return name
    raise UnregisteredPartError(
        f"{what} has no registered name, and a file can only name registered parts. Give it a spec class "
        f"(see examples/plugin_template), return Component('a-name', 'your_package.module:YourSpec') from a "
        f"function `diptych_register_{spec.kind}` marked with `diptych.hookimpl`, and announce the module under the "
        "entry-point group 'diptych' in its pyproject.toml"
    )


def _read(data: Any, hint: Any, path: str, problems: list[Problem]) -> Any:
    """Read one value against its type hint; on trouble, note a problem and return None."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        slot = next((each for each in args[1:] if isinstance(each, Slot)), None)
        return _read_part(data, slot, path, problems) if slot else _read(data, args[0], path, problems)
    if origin in (Union, UnionType):
        return _read_union(data, args, path, problems)
    if origin is Literal:
        if data in args and any(type(data) is type(each) for each in args if each == data):
            return data
        choices = ", ".join(map(repr, args))
        near = suggest(data, [each for each in args if isinstance(each, str)]) if isinstance(data, str) else ""
        return _wrong(problems, path, f"{data!r} is not one of {choices}{near}", "bad-value")
    if origin is tuple:
        return _read_tuple(data, args, path, problems)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _read_mapping(data, args, path, problems)
    if hint is Any:
        return _read_free(data, path, problems)
    if attrs.has(hint):
        if isinstance(data, hint):
            return data
        return _read_class(data, hint, path, problems)
    return _read_plain(data, hint, path, problems)


def _read_free(data: Any, path: str, problems: list[Problem], depth: int = 0) -> Any:
    """Read a value of a field that may hold anything, as long as JSON can say it."""
    if depth > 20:
        return _wrong(problems, path, "is nested too deeply", "wrong-type")
    if isinstance(data, Mapping):
        return {
            _read_plain(key, str, _join(path, str(key)), problems): _read_free(
                value, _join(path, str(key)), problems, depth + 1
            )
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [_read_free(value, _join(path, str(i)), problems, depth + 1) for i, value in enumerate(data)]
    if data is None or isinstance(data, str | int) or (isinstance(data, float) and isfinite(data)):
        return data
    return _wrong(problems, path, f"expected text, numbers, lists or mappings, got {_show(data)}", "wrong-type")


def _read_plain(data: Any, hint: type, path: str, problems: list[Problem]) -> Any:
    if hint is float and isinstance(data, int | float) and not isinstance(data, bool) and abs(data) < 1e300:
        return float(data)  # infinity, NaN and whole numbers too large for a float are no numbers here
    if hint is not float and isinstance(data, hint) and not (isinstance(data, bool) and hint is not bool):
        return data
    remedy = _number_in_yaml(data) if hint is float and isinstance(data, str) else ""
    return _wrong(problems, path, f"expected {_call(hint)}, got {_show(data)}{remedy}", "wrong-type")


def _number_in_yaml(text: str) -> str:
    """Say how to write a number that YAML takes for text: 1e-4 lacks its point, 1.5e4 the sign of its exponent."""
    found = re.fullmatch(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)", text.strip())
    if not found:
        return ""
    whole, part, sign, exponent = found.groups()
    return f"; YAML reads that as text: write {whole}{part or '.0'}e{sign or '+'}{exponent}"


def _read_union(data: Any, choices: tuple[Any, ...], path: str, problems: list[Problem]) -> Any:
    if data is None and NoneType in choices:
        return None
    tried: list[list[Problem]] = []
    for choice in choices:
        if choice is NoneType:
            continue
        found: list[Problem] = []
        value = _read(data, choice, path, found)
        if not found:
            return value
        tried.append(found)
    own = [found for found in tried if any(each.path != path or each.code != "wrong-type" for each in found)]
    if len(own) == 1 or len(tried) == 1:
        problems.extend((own or tried)[0])
        return None
    names = " or ".join(_call(each) for each in choices)
    return _wrong(problems, path, f"expected {names}, got {_show(data)}", "wrong-type")


def _read_tuple(data: Any, args: tuple[Any, ...], path: str, problems: list[Problem]) -> Any:
    if not isinstance(data, list | tuple):
        return _wrong(problems, path, f"expected a list, got {_show(data)}", "wrong-type")
    if len(args) == 2 and args[1] is Ellipsis:
        hints = [args[0]] * len(data)
    elif len(args) == len(data):
        hints = list(args)
    else:
        return _wrong(problems, path, f"expected {len(args)} values, got {len(data)}", "wrong-type")
    pairs = enumerate(zip(data, hints, strict=True))
    return tuple(_read(value, hint, _join(path, _key(value, i)), problems) for i, (value, hint) in pairs)


def _key(value: Any, index: int) -> str:
    name = value.get("name") if isinstance(value, Mapping) else None
    return name if isinstance(name, str) else str(index)


def _read_mapping(data: Any, args: tuple[Any, ...], path: str, problems: list[Problem]) -> Any:
    if not isinstance(data, Mapping):
        return _wrong(problems, path, f"expected a mapping, got {_show(data)}", "wrong-type")
    bad = [key for key in data if not isinstance(key, str)]
    for key in bad:
        _wrong(problems, _join(path, str(key)), f"expected a name as key, got {_show(key)}", "wrong-type")
    return {k: _read(v, args[1], _join(path, k), problems) for k, v in data.items() if k not in bad}


def _read_part(data: Any, slot: Slot, path: str, problems: list[Problem]) -> Any:
    if isinstance(data, PartSpec):
        if data.kind in slot.kinds:
            return data
        return _wrong(problems, path, f"a {data.kind} cannot stand here, a {' or '.join(slot.kinds)} can", "wrong-type")
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        example = next((name for kind in slot.kinds for name in registry().names(kind)), "…")
        wanted = " or ".join(slot.kinds)
        return _wrong(
            problems, path, f"expected a {wanted} such as {{type: {example}}}, got {_show(data)}", "wrong-type"
        )
    try:
        cls = _spec_class(slot, data["type"])
    except UnknownNameError as error:
        return _wrong(problems, _join(path, "type"), str(error).replace("\n", "; "), "unknown-type")
    values = {key: value for key, value in data.items() if key != "type"}
    if "preset" in values and "preset" not in {field.name for field in attrs.fields(cls)}:
        preset, known = values.pop("preset"), cls.presets()
        if not isinstance(preset, str) or preset not in known:
            valid = f"; presets: {', '.join(known) or 'none'}"
            where = _join(path, "preset")
            return _wrong(
                problems, where, f"unknown preset {preset!r}{suggest(str(preset), known)}{valid}", "bad-value"
            )
        values = {**known[preset], **values}
    return _read_class(values, cls, path, problems)


def _spec_class(slot: Slot, name: str) -> Any:
    known: list[str] = []
    for kind in slot.kinds:
        try:
            return registry().load(kind, name)
        except UnknownNameError as error:
            known.extend(error.known)
    raise UnknownNameError(" or ".join(slot.kinds), name, known, registry().failures)


def _read_class(data: Any, cls: type, path: str, problems: list[Problem]) -> Any:
    """Read a mapping into an attrs class, checking each field on its own so that nothing hides behind another."""
    if not isinstance(data, Mapping):
        return _wrong(problems, path, f"expected a mapping, got {_show(data)}", "wrong-type")
    before, hints = len(problems), get_type_hints(cls, include_extras=True)
    fields = {field.name: field for field in attrs.fields(cls)}
    for key in data:
        if key not in fields:
            near = suggest(str(key), fields)
            valid = f"; valid keys: {', '.join(fields) or 'none'}"
            _wrong(problems, _join(path, str(key)), f"unknown key '{key}'{near}{valid}", "unknown-key")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _read_field(data[name], field, hints[name], _join(path, name), problems)
        elif field.default is attrs.NOTHING:
            doc = field.metadata.get("doc", "")
            _wrong(problems, _join(path, name), f"missing{f': {doc}' if doc else ''}", "missing")
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        return _wrong(problems, path, _words(error), "bad-value")


def _read_field(data: Any, field: Any, hint: Any, path: str, problems: list[Problem]) -> Any:
    before = len(problems)
    value = _read(data, hint, path, problems)
    if len(problems) == before and field.validator is not None:
        try:
            field.validator(None, field, value)
        except (ValueError, TypeError) as error:
            return _wrong(problems, path, _words(error), "bad-value")
    return value


def _wrong(problems: list[Problem], path: str, message: str, code: str) -> None:
    problems.append(Problem(path, message, code))


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else str(error)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _show(data: Any) -> str:
    text = _BRIEF.repr(data)
    return f"{type(data).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _call(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        slot = next((each for each in get_args(hint)[1:] if isinstance(each, Slot)), None)
        return f"a {' or '.join(slot.kinds)}" if slot else _call(get_args(hint)[0])
    if hint is NoneType:
        return "null"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))
