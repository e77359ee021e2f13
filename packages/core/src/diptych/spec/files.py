"""Reading and writing spec files: YAML or JSON, one-level `extends`, and `a.b.c=value` overrides."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from diptych.checkpoint.folder import is_folder
from diptych.errors import OutputError, Problem, SpecError
from diptych.plugins import registry
from diptych.spec.model import ModelSpec
from diptych.spec.part import evolved, fields_of, replace_part, walk_parts
from diptych.spec.paths import within
from diptych.spec.structure import structure, unstructure


SAVED_SPEC = "spec.json"
"""The spec in a checkpoint's folder."""
_MERGE = "tag:yaml.org,2002:merge"


def read_spec(path: str | Path, cls: type = ModelSpec, overrides: Sequence[str] = ()) -> Any:
    """Read a spec file.

    Args:
        path: a `.yaml`, `.yml` or `.json` file, a registered name (`diptych list spec`), or a checkpoint's folder.
        cls: the spec class it holds: a model spec unless said otherwise.
        overrides: changes such as `generate.features.sampler.steps=8`; values are YAML.

    Raises:
        SpecError: if the file is missing, is not YAML or JSON, or holds anything that is not valid.
    """
    path = find_file(path)
    path = path / SAVED_SPEC if is_folder(path) and (path / SAVED_SPEC).is_file() else path
    own, base, below = _read(path)
    spec = structure(_laid(own, base, overrides, path), cls, str(path))

    def folder_of(where: str) -> Path:
        changed = any(within(where, each.partition("=")[0]) for each in overrides)
        return path.parent if base is None or changed or _says(own, where.split(".")) else below

    return anchor_paths(spec, folder_of)


def find_file(path: str | Path) -> Path:
    """Return a path as it is, or the file that a registered name stands for; paths that exist come first."""
    path = Path(path)
    if len(path.parts) == 1 and not path.suffix and path.name in registry().names("spec") and not path.exists():
        return registry().load("spec", path.name)
    return path


def anchor_paths(spec: Any, folder_of: Callable[[str], Path]) -> Any:
    """Return the spec with its relative paths (fields marked `is_path`) taken from the folder of the file that says so.

    `folder_of` tells it for a field's path in the spec.
    """
    for where, part in [("", spec), *walk_parts(spec)]:
        changed = {}
        for field in fields_of(part):
            value = getattr(part, field.name)
            if field.metadata.get("path") and value is not None and not Path(value).is_absolute():
                changed[field.name] = _anchor(value, folder_of(f"{where}.{field.name}".lstrip(".")))
        if changed:
            spec = replace_part(spec, where, evolved(part, **changed))
    return spec


def read_data(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read the plain data of a spec file, with `extends` merged in and overrides applied.

    Raises:
        SpecError: if the file is missing, unreadable, extends a file that itself extends, or an override is malformed.
    """
    path = Path(path)
    own, base, _ = _read(path)
    return _laid(own, base, overrides, path)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None, Path]:
    """Read what a file says itself, what it extends, if it does, and the folder of that."""
    own = _load(path)
    if "extends" not in own:
        return own, None, path.parent
    name = own.pop("extends")
    if not isinstance(name, str):
        raise _fail(path, "extends", f"expected a file name, got {name!r}", "wrong-type")
    base = _load(path.parent / name)
    if "extends" in base:
        raise _fail(path, "extends", f"'{name}' itself extends another file; only one level is allowed")
    return own, base, (path.parent / name).parent


def _laid(own: dict[str, Any], base: dict[str, Any] | None, overrides: Sequence[str], path: Path) -> dict[str, Any]:
    """Lay what a file says over what it extends, and overrides over both."""
    data = own if base is None else merge(base, own)
    for override in overrides:
        data = _override(data, override, path)
    return data


def _says(data: Any, keys: Sequence[str]) -> bool:
    """Say whether plain data holds a path: field names, and keys or `name`s of what stands in them."""
    if not keys:
        return True
    if isinstance(data, list):
        data = {str(each.get("name", i) if isinstance(each, Mapping) else i): each for i, each in enumerate(data)}
    return isinstance(data, Mapping) and keys[0] in data and _says(data[keys[0]], keys[1:])


def _anchor(value: str, folder: Path) -> str:
    named = find_file(value)
    return str(folder / value if named == Path(value) else named)


def write_spec(spec: Any, path: str | Path) -> None:
    """Write a spec as JSON (`.json`) or YAML (anything else).

    Raises:
        UnregisteredPartError: if it holds a part made in code; nothing is written.
        OutputError: if the file cannot be written.
    """
    path, data = Path(path), unstructure(spec)
    text = to_json(spec) if path.suffix == ".json" else yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another place") from error


def to_json(spec: Any) -> str:
    """Return a spec as JSON text."""
    return json.dumps(unstructure(spec), indent=2, ensure_ascii=False) + "\n"


def spec_hash(spec: Any) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a spec's canonical JSON.

    Of paths only the last name counts, so that a spec is the same wherever it lies.
    """
    for where, part in [("", spec), *walk_parts(spec)]:
        names = {
            f.name: Path(v).name for f in fields_of(part) if f.metadata.get("path") and (v := getattr(part, f.name))
        }
        if names:
            spec = replace_part(spec, where, evolved(part, **names))
    text = json.dumps(unstructure(spec), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Lay changes over plain data: mappings merge key by key, lists of named entries by name, all else is replaced.

    A mapping that says another `type` than the one below replaces it whole.
    """
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(below, Mapping)
            and value.get("type", below.get("type")) == below.get("type")
        ):
            merged[key] = merge(below, value)
        elif _named(value) and _named(below):
            merged[key] = _merge_named(below, value)
        else:
            merged[key] = value
    return merged


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) and "name" in v for v in value)


def _merge_named(base: Any, change: Any) -> list[Any]:
    left, laid = list(change), []
    for below in base:
        over = next((each for each in left if each["name"] == below["name"]), None)
        left = [each for each in left if each is not over]
        laid.append(merge(below, over or {}))
    return [*laid, *left]


def _override(data: dict[str, Any], override: str, path: Path) -> dict[str, Any]:
    keys, equals, text = override.partition("=")
    if not equals or not all(keys.split(".")):
        raise _fail(path, "--set", f"'{override}' is not of the form a.b.c=value")
    try:
        value = _parse(text)
    except ValueError as error:
        raise _fail(path, keys, f"'{_short(text)}' is not a YAML value: {error}") from error
    return _set(data, keys.split("."), value, keys, path)


def _set(data: Any, keys: list[str], value: Any, whole: str, path: Path) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(data, list):
        index = next((i for i, each in enumerate(data) if isinstance(each, Mapping) and each.get("name") == key), None)
        if index is None and key.isdigit() and int(key) < len(data):
            index = int(key)
        if index is None:
            names = [str(each.get("name", i)) if isinstance(each, Mapping) else str(i) for i, each in enumerate(data)]
            raise _fail(path, whole, f"no entry '{key}' in this list; there are: {', '.join(names) or 'none'}")
        return [*data[:index], _set(data[index], rest, value, whole, path), *data[index + 1 :]]
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise _fail(path, whole, f"'{key}' cannot be set inside {data!r}")
    return {**data, key: _set(data.get(key), rest, value, whole, path)}


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        beside = sorted(each.name for each in path.parent.glob("*.y*ml"))[:8] if path.parent.is_dir() else []
        hint = f"; spec files beside it: {', '.join(beside)}" if beside else ""
        raise _fail(path, "", f"no such file{hint}", "missing") from error
    except (OSError, ValueError) as error:  # a ValueError is text in no encoding, or a path with a zero in it
        raise _fail(path, "", f"cannot be read as text: {error}") from error
    try:
        data = _parse(text, as_json=path.suffix == ".json")
    except ValueError as error:
        raise _fail(path, "", f"is not valid {'JSON' if path.suffix == '.json' else 'YAML'}: {error}") from error
    if not isinstance(data, dict):
        raise _fail(path, "", f"expected a mapping of keys, got {type(data).__name__}", "wrong-type")
    return data


def _parse(text: str, *, as_json: bool = False) -> Any:
    """Parse YAML or JSON; anything wrong with it is a ValueError (PyYAML raises many things for a bad `!!int`)."""
    try:
        if as_json:
            return json.loads(text, object_pairs_hook=_once)
        _check_keys(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(str(error)) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a mapping of JSON's pairs, of which a plain parser would keep the last with a key."""
    _refuse_repeated([key for key, _ in pairs], "")
    return dict(pairs)


def _check_keys(root: yaml.Node | None) -> None:
    """Refuse YAML in which a mapping has a key twice, of which a plain parser would keep the last."""
    seen: set[int] = set()
    left = [root] if root else []
    while left:
        node = left.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.MappingNode):
            plain = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
            _refuse_repeated([key.value for key in plain], f" of line {node.start_mark.line + 1}")
            left += [value for _, value in node.value]


def _refuse_repeated(keys: Sequence[str], where: str) -> None:
    repeated = [key for key, count in Counter(keys).items() if count > 1]
    if repeated:
        raise ValueError(f"'{repeated[0]}' stands twice in the mapping{where}; keep one")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _fail(path: Path, where: str, message: str, code: str = "bad-value") -> SpecError:
    return SpecError([Problem(where, message, code)], str(path))
